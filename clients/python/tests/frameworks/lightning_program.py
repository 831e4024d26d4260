"""One rank of a training with Lightning for test_lightning_ranks.py: trains, and writes what it saw as JSON."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

import keepset
from keepset.lightning import KeepsetCallback, total_steps
from support.training import losses_of, make_loader


class Model(pl.LightningModule):
    """Learns nothing; remembers what it was given."""

    def __init__(self, sampler: keepset.Sampler, settings: dict[str, Any]) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(1, 1)
        self.sampler = sampler
        self.settings = settings
        self.trained: dict[int, list[int]] = {}
        self.validations = 0

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        index, x = batch
        self.trained.setdefault(self.current_epoch, []).extend(index.tolist())
        if [self.current_epoch, batch_idx] == self.settings.get("die_at"):
            raise RuntimeError("as it was told")
        output = self.inner(x.float().reshape(-1, 1) / self.settings["count"]).flatten()
        return self.sampler.report(index, output * 0.1 + losses_of(index, self.current_epoch))

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.validations += 1

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        steps = total_steps(self.trainer, self.sampler, self.settings["batch_size"])
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def main(settings: dict[str, Any], out: Path) -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.manual_seed(0)
    count, batch_size = settings["count"], settings["batch_size"]
    # Before the trainer has made a process group: Lightning's own launcher has not even started the other rank.
    sampler = keepset.Sampler(
        count,
        prune_rate=0.5,
        epochs=settings["epochs"],
        selection_period=1,
        address=settings["address"],
        run_id=settings["run_id"],
        timeout=60,
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        max_epochs=settings["epochs"],
        accumulate_grad_batches=settings["accumulation"],
        callbacks=[
            KeepsetCallback(sampler, export=True),
            ModelCheckpoint(out, "{epoch}-{step}", every_n_train_steps=1, save_top_k=-1),
        ],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=1,
    )
    model = Model(sampler, settings)
    loader = make_loader(sampler, count, batch_size, num_workers=settings.get("workers", 0))
    trainer.fit(model, loader, DataLoader(range(8), batch_size=4), ckpt_path=settings.get("resume"))
    run = sampler.run.info()
    seen = {
        "trained": model.trained,
        "validations": model.validations,
        "steps": trainer.global_step,
        "rate": trainer.optimizers[0].param_groups[0]["lr"],
        "weight": model.inner.weight.item(),
        "state": run.state,
        "observations": run.progress.observations,
    }
    (out / f"rank{trainer.global_rank}.json").write_text(json.dumps(seen))
    sampler.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
