"""PyTorch Lightning in two processes: gradient accumulation, an exact learning-rate schedule, validation and a
checkpoint after each epoch. One callback is added, `fit` stays as it is. `--resume` goes on from the last checkpoint.

    python examples/pytorch/lightning_fit.py --devices 2 --epochs 3
    python examples/pytorch/lightning_fit.py --devices 2 --resume
"""

import argparse
import logging
import warnings
from pathlib import Path

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from fashion_mnist import load_images, make_model
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

import keepset
from keepset.lightning import KeepsetCallback, total_steps

CHECKPOINT = Path(__file__).with_name("lightning_fit.pt")  # a folder
EPOCHS = 6
BATCH = 32
ACCUMULATION = 2


class Classifier(pl.LightningModule):
    def __init__(self, sampler: keepset.Sampler, epochs: int) -> None:
        super().__init__()
        self.model = make_model()
        self.sampler = sampler
        self.stop_after = epochs

    def training_step(self, batch, batch_idx):
        index, (x, y) = batch
        loss = self.sampler.report(index, F.cross_entropy(self.model(x), y, reduction="none"))
        self.log("loss", loss, on_step=False, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("accuracy", (self.model(x).argmax(1) == y).float().mean(), sync_dist=True)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)
        # Not trainer.estimated_stepping_batches, which takes every epoch for as long as the first one.
        self.steps = total_steps(self.trainer, self.sampler, BATCH)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_epoch_end(self):
        epoch = self.current_epoch + 1
        self.trainer.should_stop = epoch == self.stop_after
        logged = self.trainer.callback_metrics
        if self.trainer.is_global_zero:
            print(
                f"epoch {epoch}/{EPOCHS}: kept {logged['kept_fraction']:.0%}, loss {logged['loss']:.4f}, "
                f"test accuracy {logged['accuracy']:.1%}, saving {logged['saving']:.1%}",
                flush=True,
            )

    def on_train_end(self):
        rate = self.optimizers().param_groups[0]["lr"]
        print(
            f"rank {self.global_rank} of {self.trainer.world_size}: {self.global_step} of {self.steps} steps, "
            f"the learning rate is now {rate:.4f}",
            flush=True,
        )


def main(args: argparse.Namespace) -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    for harmless in (".*does not have many workers", "Checkpoint directory .* exists", ".*use `DistributedSampler`"):
        warnings.filterwarnings("ignore", harmless)
    train_set, test_set = load_images("train", 4000), load_images("t10k", 2000)

    sampler = keepset.Sampler(train_set, prune_rate=0.5, epochs=EPOCHS, address=args.address)
    loader = DataLoader(keepset.indexed(train_set), batch_size=BATCH, sampler=sampler, collate_fn=keepset.collate)

    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        accelerator="auto" if torch.cuda.is_available() else "cpu",
        devices=args.devices,
        accumulate_grad_batches=ACCUMULATION,
        callbacks=[
            KeepsetCallback(sampler),
            ModelCheckpoint(CHECKPOINT, "last", enable_version_counter=False),
        ],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(
        Classifier(sampler, args.epochs),
        loader,
        DataLoader(test_set, batch_size=500),
        ckpt_path=CHECKPOINT / "last.ckpt" if args.resume else None,
    )
    sampler.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="PyTorch Lightning")
    parser.add_argument("--address", help="HOST:PORT of a sampler; without it one starts beside rank 0")
    parser.add_argument("--devices", type=int, default=1, help="processes, on a GPU each or on CPU cores")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"stop after so many of the {EPOCHS} epochs")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    main(parser.parse_args())
