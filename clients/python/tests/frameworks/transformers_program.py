"""One rank of a training with the Trainer for test_transformers_ranks.py: trains, and writes what it saw as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers_training import RecordingTrainer, StopAt, make_args, make_data, make_model, make_sampler


def main(settings: dict[str, Any], out: Path) -> None:
    """Trains up to the step `stop`, and then on from its checkpoint, with everything made anew."""
    before = train(settings, out, stop=settings["stop"])
    after = train(settings, out, resume=True)
    logs = after.state.log_history
    seen = {
        "trained": [before.trained, after.trained],
        "steps": [before.state.global_step, after.state.global_step, after.state.max_steps],
        "rates": [entry["learning_rate"] for entry in logs if "loss" in entry],
        "epochs_evaluated": [entry["epoch"] for entry in logs if "eval_loss" in entry],
    }
    (out / f"rank{after.sampler.rank}.json").write_text(json.dumps(seen))
    if after.args.should_save:
        torch.save(after.model.state_dict(), out / "weights.pt")
    torch.distributed.destroy_process_group()


def train(settings: dict[str, Any], out: Path, *, stop: int = 0, resume: bool = False) -> RecordingTrainer:
    batch_size, accumulation, count = settings["batch_size"], settings["accumulation"], settings["count"]
    sampler = make_sampler(
        settings["address"], settings["run_id"], count=count, position_multiple=batch_size * accumulation, timeout=60
    )
    args = make_args(
        out,
        per_device_train_batch_size=batch_size,
        gradient_accumulation_steps=accumulation,
        eval_strategy="epoch",
        ddp_backend="gloo",
    )
    trainer = RecordingTrainer(
        model=make_model(),
        args=args,
        train_dataset=make_data(count),
        eval_dataset=make_data(8),
        sampler=sampler,
        callbacks=[StopAt(stop)],
    )
    trainer.train(resume_from_checkpoint=resume)
    sampler.close()
    return trainer


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
