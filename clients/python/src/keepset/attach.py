"""Finding a training's run, and bringing it to where the training stands."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keepset.checkpoint import Checkpoint
from keepset.client import Client, Run, RunInfo
from keepset.client.errors import PreconditionError, RunExistsError, RunNotFoundError
from keepset.world import World

_log = logging.getLogger("keepset")
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Attachment:
    """A run that stands where the training does."""

    run: Run
    start_position: int
    """Position of this rank at which the epoch goes on."""


def attach(
    client: Client,
    run_id: str,
    settings: Mapping[str, Any],
    *,
    epoch: int,
    world: World,
    checkpoint: Checkpoint | None,
    timeout: float,
) -> Attachment:
    """Makes the run, or finds it and takes it to `epoch`, for each rank alike and without one knowing of another.

    A run that has not planned the epoch goes on; one that has is rewound to its start, so that every other trainer of
    the run is refused from then on. A `checkpoint` in the middle of the epoch goes on in the epoch's plan, or, where
    the run has gone on to later epochs since, with the run's state in the checkpoint, if it has one.
    """
    resumed = checkpoint if checkpoint is not None and checkpoint.epoch == epoch else None
    start_position = resumed.start_position(world.world_size) if resumed else 0
    if checkpoint and checkpoint.export is not None:
        _import_if_gone(client, run_id, checkpoint.export)
    run = client.create_run(run_id, **settings)
    info = run.info()
    if checkpoint and checkpoint.export is not None and _needs_export(info, epoch, start_position):
        run, info = _restore(client, run_id, checkpoint.export, epoch, start_position, world, timeout)
    if resumed and start_position > 0 and _is_in_epoch(info, resumed, world):
        return Attachment(run, start_position)
    if info.next_epoch != epoch or info.state != "active":
        if epoch not in info.epoch_starts:
            raise _cannot_stand_at(info, epoch)
        _tell_rewind(info, epoch, start_position)
        run.rewind(epoch)
    return Attachment(run, start_position)


def _is_in_epoch(info: RunInfo, checkpoint: Checkpoint, world: World) -> bool:
    is_planned = info.next_epoch == checkpoint.epoch + 1 and info.state == "active"
    return is_planned and checkpoint.world_size == world.world_size


def _needs_export(info: RunInfo, epoch: int, start_position: int) -> bool:
    """Whether only the state in the checkpoint brings the run to where the training stands, with the losses of the
    epoch so far.
    """
    if start_position > 0:
        return info.next_epoch != epoch + 1
    return info.next_epoch != epoch and epoch not in info.epoch_starts


def _import_if_gone(client: Client, run_id: str, export: bytes) -> None:
    try:
        client.get_run(run_id)
    except RunNotFoundError:
        _import(client, run_id, export)


def _import(client: Client, run_id: str, export: bytes) -> None:
    try:
        client.import_run([export], run_id=run_id)
    except RunExistsError:
        _log.debug("another rank has imported run %r", run_id)


def _restore(
    client: Client, run_id: str, export: bytes, epoch: int, start_position: int, world: World, timeout: float
) -> tuple[Run, RunInfo]:
    """Puts the state of a checkpoint in the place of the run: rank 0 does it, the others wait for it."""
    if world.rank == 0:
        _log.warning("run %r takes the state that is in the checkpoint; what it had is forgotten", run_id)
        client.delete_run(run_id)
        _import(client, run_id, export)
    deadline = time.monotonic() + timeout
    while True:
        with contextlib.suppress(RunNotFoundError):
            run = client.attach_run(run_id)
            info = run.info()
            if world.rank == 0 or not _needs_export(info, epoch, start_position):
                return run, info
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"rank 0 did not restore run {run_id!r} within {timeout:g} s: call load_state_dict() on every rank"
            )
        time.sleep(_POLL_SECONDS)


def _tell_rewind(info: RunInfo, epoch: int, start_position: int) -> None:
    _log.warning(
        "run %r has planned %d epochs; it goes back to the start of epoch %d%s",
        info.run_id,
        info.next_epoch,
        epoch,
        f", without the losses of its first {start_position} positions" if start_position else "",
    )


def _cannot_stand_at(info: RunInfo, epoch: int) -> PreconditionError:
    starts = ", ".join(str(start) for start in info.epoch_starts)
    return PreconditionError(
        f"epoch is {epoch}, but run {info.run_id!r} has planned {info.next_epoch} epochs and can stand at the start "
        f"of epoch {starts} only: "
        "train from one of these, give another run_id, or load a checkpoint made with state_dict(export=True)",
        code="FAILED_PRECONDITION",
        reason="WRONG_EPOCH",
    )
