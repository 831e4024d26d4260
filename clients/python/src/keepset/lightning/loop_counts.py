"""The counts of Lightning's loops in a checkpoint."""

from __future__ import annotations

from typing import Any


def start_epoch(loops: dict[str, Any]) -> int:
    """The epoch, from 0, in which a training goes on from the state of the fit loop in a checkpoint.

    Where nothing is left of the epoch before, the counts are brought to the start of the next one. Lightning would else
    take the batches of the old epoch for ones of the new one: after a checkpoint of an epoch's last batch where the new
    epoch is longer, and after one of an epoch's end with `Trainer(max_steps=...)`.
    """
    epochs, batches = loops["epoch_progress"], loops["epoch_loop.batch_progress"]
    epoch = epochs["current"]["processed"]
    if epochs["current"]["started"] > epoch:
        # In on_train_batch_end, where checkpoints of steps are made, a batch is processed but not completed. Later, in
        # its validation, Lightning itself goes on with what is left of the epoch's end.
        counts = batches["current"]
        is_batch_end = counts["ready"] == counts["processed"] == counts["completed"] + 1
        if not (batches["is_last_batch"] and is_batch_end):
            return epoch
        epoch += 1
    _set_all(epochs["current"], epoch)
    _set_all(epochs["total"], epochs["total"]["started"])
    _set_all(batches["current"], 0)
    _set_all(batches["total"], batches["total"]["processed"])
    batches["is_last_batch"] = False
    return epoch


def _set_all(counts: dict[str, int], count: int) -> None:
    counts.update(dict.fromkeys(counts, count))
