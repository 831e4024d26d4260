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
from keepset.client.errors import PreconditionError, RunNotFoundError
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
    start_position: int,
    timeout: float,
) -> Attachment:
    """Makes the run, or finds it and takes it to `epoch`, for each rank alike and without one knowing of another.
    `start_position`: the one that the checkpoint names, 0 at the start of the epoch.

    A run that has not planned the epoch goes on; one that has is rewound to its start, so that every other trainer of
    the run is refused from then on. A `checkpoint` in the middle of the epoch goes on in the epoch's plan, or, where
    the run has gone on to later epochs since, with the run's state in the checkpoint, if it has one.
    """
    generation = None
    if checkpoint is not None and start_position > 0 and checkpoint.world_size == world.world_size:
        generation = checkpoint.generation
    need = _Need(epoch, generation)
    if checkpoint is not None and checkpoint.export is not None:
        run, info = _restored(client, run_id, settings, checkpoint.export, need=need, world=world, timeout=timeout)
    else:
        run, info = _read(client, client.create_run(run_id, **settings))
    if need.is_met_in_mid_epoch(info) and info.state == "active":
        return Attachment(run, start_position)
    if info.next_epoch != epoch or info.state != "active":
        if epoch not in info.epoch_starts:
            raise _cannot_stand_at(info, epoch)
        _tell_rewind(info, epoch, start_position)
        run.rewind(epoch)
    return Attachment(run, start_position)


@dataclass(frozen=True)
class _Need:
    """Where the training goes on."""

    epoch: int
    generation: int | None
    """In the middle of the epoch, with its losses so far, which the life of the run has that the checkpoint is of;
    for the world size of before only. None: at the epoch's start.
    """

    def is_met_in_mid_epoch(self, info: RunInfo) -> bool:
        """Whether the run stands there already."""
        return (info.next_epoch, info.generation) == (self.epoch + 1, self.generation)

    def of_export(self, info: RunInfo) -> bool:
        """Whether only the state in the checkpoint brings the run there."""
        if self.generation is not None:
            return not self.is_met_in_mid_epoch(info)
        return info.next_epoch != self.epoch and self.epoch not in info.epoch_starts


def _restored(
    client: Client,
    run_id: str,
    settings: Mapping[str, Any],
    export: bytes,
    *,
    need: _Need,
    world: World,
    timeout: float,
) -> tuple[Run, RunInfo]:
    """The run, with the state of a checkpoint if it needs that: rank 0 sees to it, the others wait for it, and make
    no run in between.
    """
    if world.rank != 0:
        return _wait_for_rank_0(client, run_id, need, timeout)
    if not _is_there(client, run_id):
        client.import_run([export], run_id=run_id)
    run, info = _read(client, client.create_run(run_id, **settings))
    if need.of_export(info):
        _log.warning("run %r takes the state that is in the checkpoint; what it had is forgotten", run_id)
        client.delete_run(run_id)
        run = client.import_run([export], run_id=run_id)
        info = run.info()
    return run, info


def _wait_for_rank_0(client: Client, run_id: str, need: _Need, timeout: float) -> tuple[Run, RunInfo]:
    deadline = time.monotonic() + timeout
    while True:
        with contextlib.suppress(RunNotFoundError):
            run, info = _read(client, client.attach_run(run_id))
            if not need.of_export(info):
                return run, info
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"rank 0 did not restore run {run_id!r} within {timeout:g} s: call load_state_dict() on every rank"
            )
        time.sleep(_POLL_SECONDS)


def _read(client: Client, run: Run) -> tuple[Run, RunInfo]:
    """A run and what it is, both of one generation: another rank may rewind it at any time."""
    while (info := run.info()).generation != run.generation:
        run = client.attach_run(run.run_id)
    return run, info


def _is_there(client: Client, run_id: str) -> bool:
    try:
        client.get_run(run_id)
    except RunNotFoundError:
        return False
    return True


def _tell_rewind(info: RunInfo, epoch: int, start_position: int) -> None:
    _log.warning(
        "run %r has planned %d epochs; it goes back to the start of epoch %d%s%s",
        info.run_id,
        info.next_epoch,
        epoch,
        f", without the losses of its first {start_position} positions" if start_position else "",
        " (where another process still trains it, that one is refused: give each a run_id=)"
        if info.state == "active"
        else "",
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
