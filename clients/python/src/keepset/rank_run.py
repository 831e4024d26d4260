"""One rank's way through a run, for any trainer: needs no torch."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from keepset.attach import attach
from keepset.checkpoint import Checkpoint
from keepset.client import Client, PendingValues, Plan, Run, connect
from keepset.client.errors import AbortedError, KeepsetError
from keepset.embedded import EmbeddedSampler, start
from keepset.epoch_lengths import EpochLengths
from keepset.policies import follows_losses
from keepset.run_name import run_name
from keepset.unpruned import UnprunedPlan
from keepset.world import World, find_world, is_across_machines

_log = logging.getLogger("keepset")

Values = npt.NDArray[Any] | PendingValues
"""Values of a batch, (B,): an array, or one that is still on its way from a device."""


class RankRun:
    """The plans and reports of one rank. Nothing is asked of a sampler before the first plan is needed.

    `lengths` and `settings` say the same: what `Client.create_run` takes. `run_id` None: the script's name with a
    digest of its path and settings.
    `address` None: the embedded sampler, with its data in `data_dir`. `timeout`: seconds to wait for the other ranks.
    With `on_failure` "unpruned" the training goes on with every sample when the sampler cannot be reached any more.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        lengths: EpochLengths,
        *,
        run_id: str | None,
        address: str | None,
        data_dir: str | os.PathLike[str] | None,
        rank: int | None,
        world_size: int | None,
        on_failure: str,
        timeout: float,
    ) -> None:
        if on_failure not in ("raise", "unpruned"):
            raise ValueError(f'on_failure is {on_failure!r}: it must be "raise" or "unpruned"')
        self.settings = dict(settings)
        self.lengths = lengths
        self.run_id: str = run_id or run_name(self.settings)
        self.epoch = 0
        self.position = 0
        self._has_own_name = run_id is not None
        self._address = address
        self._data_dir = data_dir
        self._world = (rank, world_size)
        self._on_failure = on_failure
        self._timeout = timeout
        self._embedded: EmbeddedSampler | None = None
        self._client: Client | None = None
        self._run: Run | None = None
        self._is_attached = False
        """Whether the run stands where the training does; until then it is only looked at."""
        self._plan: Plan | UnprunedPlan | None = None
        self._checkpoint: Checkpoint | None = None
        self._failure: KeepsetError | None = None
        self._largest_batch = 0
        self._is_in_order = True
        self._is_finished = False
        """Whether this rank has closed the run; everything was recorded before."""
        self.warns_of_silence = True
        """Whether it is still to be said that an epoch without losses is no help to the policy."""

    def __getstate__(self) -> dict[str, Any]:
        if self._client is not None:
            raise TypeError(
                "a sampler that is in use cannot be pickled or sent to another process: make it there, or before "
                "its first epoch"
            )
        return self.__dict__

    @property
    def world(self) -> World:
        return find_world(*self._world)

    @property
    def run(self) -> Run:
        """The run as the core client sees it, made or found. It is left as it is: only a plan takes it elsewhere."""
        if self._run is None:
            self._run = self.client.create_run(self.run_id, **self.settings)
        return self._run

    @property
    def client(self) -> Client:
        """The connection to the sampler."""
        if self._client is None:
            self._client = connect(self._address or self._start_embedded())
        return self._client

    @property
    def has_plan(self) -> bool:
        """Whether the plan of the present epoch is at hand."""
        return self._plan is not None and self._plan.epoch == self.epoch

    @property
    def plan(self) -> Plan | UnprunedPlan:
        """The plan of the present epoch; the first use fetches it, which delivers the reports of the epoch before and
        waits for the other ranks.
        """
        if self._plan is None or self._plan.epoch != self.epoch:
            self._check_epoch()
            self._plan = self._fetch()
            self.position = self._plan.start_position
            self._largest_batch = 0
            self._is_in_order = True
        return self._plan

    @property
    def is_at_end(self) -> bool:
        """Whether the present epoch is resumed at its very end. Its plan is then not needed, nor to be asked for: a run
        that has gone on since would go back to the epoch's start.
        """
        return self._plan is None and self.length() == 0 < self.length(whole=True)

    def set_epoch(self, epoch: int) -> None:
        """The epoch that is trained next, from 0. Fetches nothing yet."""
        if epoch < 0:
            raise ValueError(f"epoch is {epoch}: it must be at least 0")
        self.epoch = int(epoch)

    def length(self, *, whole: bool = False) -> int:
        """Positions of this rank in the present epoch, or those that are left where it goes on in the middle of it,
        unless `whole`. Waits for nothing.
        """
        if self.has_plan and self._plan is not None:
            return self._plan.position_count - (0 if whole else self._plan.start_position)
        if self._failure is not None:
            return self.lengths.share_out(self.lengths.sample_count, self.world.world_size)
        positions = self.lengths.position_count(self.epoch, self.world.world_size)
        return positions if whole else positions - self._resumed_position()

    def kept_count(self) -> int:
        """Samples that the present epoch trains on, over all ranks. Waits for nothing."""
        if self.has_plan and self._plan is not None:
            return self._plan.kept_count
        return self.lengths.sample_count if self._failure is not None else self.lengths.kept_count(self.epoch)

    def report(self, indices: Values | None, losses: Values, metrics: Mapping[str, Values]) -> None:
        """Hands over the losses of a batch, (B,). `indices` None: they are those of the next positions of the plan."""
        plan = self._plan
        if plan is None or plan.epoch != self.epoch:
            raise ValueError(
                f"nobody has asked for the samples of epoch {self.epoch} yet, so these losses are of others: make the "
                "loader with sampler=sampler, and iterate over it after sampler.set_epoch(epoch)"
            )
        count = losses.size
        if count == 0 or metrics or (indices is not None and indices.size != count):
            self._check_sizes(indices, count, metrics)
        if indices is None:
            reported = self._following(plan, count)
            position = self.position + count
        else:
            reported = indices
            position = self._position_after(plan, indices, count)
        if self._failure is None and not isinstance(plan, UnprunedPlan):
            try:
                plan.report(reported, losses, metrics)
            except KeepsetError as error:
                self._fail(error)
        # Only now: what was refused has not been trained.
        self.position = position
        self._is_in_order = indices is None
        if count > self._largest_batch:
            self._largest_batch = count

    def flush(self) -> None:
        """Waits until every loss handed over is recorded. Raises the run's failure."""
        if self._run is None or self._failure is not None or self._is_finished:
            return
        try:
            self._run.flush()
        except KeepsetError as error:
            self._fail(error)

    def finish(self) -> None:
        """Delivers what is left; rank 0 then closes the run. Every rank calls it; ranks that share no barrier of
        their own may call it in any order.
        """
        self.flush()
        if self._run is not None and self._is_attached and self._failure is None and self.world.rank == 0:
            self._run.finish()
            self._is_finished = True

    def close(self) -> None:
        """Delivers what is left and lets go of the sampler."""
        client, self._client, self._run = self._client, None, None
        self._is_attached = False
        embedded, self._embedded = self._embedded, None
        try:
            if client is not None:
                client.close()
        finally:
            if embedded is not None:
                embedded.close()

    def checkpoint(self, *, export: bool) -> Checkpoint:
        """Where this training stands, once everything handed over is recorded."""
        restored = self._checkpoint
        if (
            self._plan is None
            and restored is not None
            and self.epoch in (restored.epoch, restored.next_epoch(self.lengths))
        ):
            return restored
        self.flush()
        plan = self._plan if self.has_plan else None
        position = self.position if plan is not None else 0
        digest = plan.digest.hex() if isinstance(plan, Plan) and position > 0 else ""
        return Checkpoint(
            run_id=self.run_id,
            epoch=self.epoch,
            position=position,
            world_size=self.world.world_size,
            generation=plan.generation if isinstance(plan, Plan) else 0,
            digest=digest,
            export=b"".join(self.client.export_run(self.run.run_id)) if export else None,
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint: the next plan is that of its epoch, from its position, or that of the next epoch,
        where this one was trained to its end, unless another one is set before.
        """
        if self._has_own_name and checkpoint.run_id != self.run_id:
            raise ValueError(
                f"run_id is {self.run_id!r}, but the checkpoint is of run {checkpoint.run_id!r}: give that one, or none"
            )
        self.flush()
        self.run_id = checkpoint.run_id
        self.epoch = checkpoint.next_epoch(self.lengths)
        self._checkpoint = checkpoint
        self._run = self._plan = None
        self._is_attached = False

    def _resumed_position(self) -> int:
        """Position at which this rank goes on in the present epoch, by the checkpoint."""
        resumed = self._checkpoint
        if resumed is None or resumed.epoch != self.epoch:
            return 0
        return resumed.start_position(self.lengths, self.world.world_size)

    def _start_embedded(self) -> str:
        if is_across_machines(self.world):
            raise ValueError(
                f"address is None, but the {self.world.world_size} ranks run on several machines, which cannot "
                f"share an embedded sampler: "
                'start one sampler (keepset serve --listen 0.0.0.0:50051) and pass address="HOST:50051" on every rank'
            )
        self._embedded = start(self._data_dir)
        return self._embedded.address

    def _attach(self) -> int:
        attachment = attach(
            self.client,
            self.run_id,
            self.settings,
            epoch=self.epoch,
            world=self.world,
            checkpoint=self._checkpoint,
            start_position=self._resumed_position(),
            timeout=self._timeout,
        )
        self._run = attachment.run
        self._is_attached = True
        self._is_finished = False
        return attachment.start_position

    def _fetch(self) -> Plan | UnprunedPlan:
        if self._failure is not None:
            return self._unpruned()
        try:
            return self._ask()
        except KeepsetError as error:
            self._fail(error)
            return self._unpruned()

    def _ask(self) -> Plan:
        start_position = 0
        if not self._is_attached:
            start_position = self._attach()
        elif self._plan is not None and self.epoch < self._plan.epoch:
            _log.warning(
                "run %r goes back from epoch %d to the start of epoch %d", self.run_id, self._plan.epoch, self.epoch
            )
            self.run.rewind(self.epoch)
            self._is_finished = False
        world = self.world
        plan = self.run.plan_epoch(
            self.epoch,
            rank=world.rank,
            world_size=world.world_size,
            start_position=start_position,
            timeout=self._timeout,
        )
        resumed, self._checkpoint = self._checkpoint, None
        if resumed and start_position > 0 and resumed.digest != plan.digest.hex():
            raise ValueError(
                f"the plan of epoch {self.epoch} is not the one that the checkpoint was made in: run "
                f"{self.run_id!r} had another training since; "
                "go on from the start of an epoch, or from a checkpoint made with state_dict(export=True)"
            )
        return plan

    def _unpruned(self) -> UnprunedPlan:
        last = self._plan
        saving = last.saving * (last.epoch + 1) / (self.epoch + 1) if last is not None else 0.0
        return UnprunedPlan(self.lengths, int(self.settings.get("seed", 0)), self.epoch, self.world, saving)

    def _fail(self, error: KeepsetError) -> None:
        """Raises, or lets the training go on with every sample."""
        if error.reason == "STALE_GENERATION":
            raise AbortedError(
                f"{error} Another training has taken over run {self.run_id!r} from its epoch on: end this one, or, "
                "where both are to go on, give each a run_id of its own. Or another rank of this one has gone back to "
                "an earlier epoch before this rank had reported: let the ranks meet before.",
                code=error.code,
                reason=error.reason,
            ) from error
        # A barrier that another rank did not come to is an answer: the sampler is there.
        is_lost = error.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED") and error.reason != "BARRIER_TIMEOUT"
        if self._on_failure == "raise" or not is_lost:
            raise error
        self._failure = error
        _log.warning("the sampler is lost, the training goes on with every sample and without reports: %s", error)

    def _following(self, plan: Plan | UnprunedPlan, count: int) -> npt.NDArray[np.uint32]:
        """The indices of the next `count` positions."""
        start = self.position - plan.start_position
        following = plan.indices[start : start + count]
        if len(following) < count:
            raise ValueError(
                f"{count} losses were reported, but {len(following)} of the {plan.position_count} positions of "
                f"epoch {plan.epoch} are left: "
                "report(losses) needs every batch once and in the loader's order; else use report(index, losses), "
                "and sampler.set_epoch(epoch) before each epoch"
            )
        return following

    def _position_after(self, plan: Plan | UnprunedPlan, indices: Values, count: int) -> int:
        """Where a batch ends. A loader that keeps the plan's order, as all but few do, is followed exactly, also when
        it begins the epoch anew.
        """
        start = self.position - plan.start_position
        is_from_start = (
            isinstance(indices, np.ndarray)
            and not _is_at(start, plan.indices, indices)
            and np.array_equal(plan.indices[:count], indices)
        )
        left = plan.position_count - self.position
        if left <= 0 or (is_from_start and left < self._largest_batch):
            raise ValueError(
                f"every sample of epoch {plan.epoch} has been reported already: call sampler.set_epoch(epoch), with "
                "the next number, before each epoch, and report each batch once"
            )
        return plan.start_position + count if is_from_start else self.position + min(count, left)

    @staticmethod
    def _check_sizes(indices: Values | None, count: int, metrics: Mapping[str, Values]) -> None:
        if count == 0:
            raise ValueError("losses is empty: report at least one sample")
        if indices is not None and indices.size != count:
            raise ValueError(f"losses has {count} values, index {indices.size}: there must be one loss a sample")
        for name, values in metrics.items():
            if values.size != count:
                raise ValueError(
                    f"metrics[{name!r}] has {values.size} values, losses {count}: there must be one a sample"
                )

    def _check_epoch(self) -> None:
        """Before another epoch is planned: whether it is one of the training's, and whether the one before was
        reported.
        """
        epochs = self.lengths.epochs
        if epochs is not None and self.epoch >= epochs:
            raise ValueError(
                f"epoch is {self.epoch}, but the sampler was made with epochs={epochs}: it has epochs 0 to "
                f"{epochs - 1}. Make it with as many as the training has"
            )
        plan = self._plan
        if plan is None or self.epoch != plan.epoch + 1:
            return
        if self._largest_batch == 0:
            self._warn_of_silence(plan)
        elif self._is_in_order:
            self._check_all_reported(plan)

    def _check_all_reported(self, plan: Plan | UnprunedPlan) -> None:
        """An order that is taken for granted must have come to its end, up to a batch that the loader dropped."""
        left = plan.position_count - self.position
        if left >= self._largest_batch:
            raise ValueError(
                f"epoch {plan.epoch} ended with losses for {self.position} of {plan.position_count} positions: "
                f"report(losses) needs every batch, "
                "in the loader's order; else use report(index, losses)"
            )

    def _warn_of_silence(self, plan: Plan | UnprunedPlan) -> None:
        """Once: a policy that follows losses and gets none chooses by index and by chance."""
        if not self.warns_of_silence or not follows_losses(self.settings["policy"]) or len(plan.indices) == 0:
            return
        self.warns_of_silence = False
        _log.warning(
            "epoch %d ended without a loss, but %s chooses by losses: "
            "call sampler.report(index, losses) for each batch",
            plan.epoch,
            type(self.settings["policy"]).__name__,
        )


def _is_at(start: int, order: npt.NDArray[np.uint32], indices: npt.NDArray[Any]) -> bool:
    """Whether a batch stands at a place of the plan's order, by its ends: all but padding is there once."""
    last = start + indices.size - 1
    return last < len(order) and order.item(start) == indices.item(0) and order.item(last) == indices.item(-1)
