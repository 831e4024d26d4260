"""One rank's way through a run, for any trainer: needs no torch."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from keepset.attach import attach
from keepset.batch_places import Values, batch_size, following, position_after
from keepset.checkpoint import Checkpoint
from keepset.client import Client, Plan, Run, connect
from keepset.client.errors import AbortedError, KeepsetError, RunNotFoundError
from keepset.embedded import EmbeddedSampler, start
from keepset.epoch_lengths import EpochLengths
from keepset.policies import follows_losses
from keepset.run_name import run_name
from keepset.unpruned import UnprunedPlan
from keepset.world import World, find_world, is_across_machines

_log = logging.getLogger("keepset")


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
        self._is_batch_loss = self.settings.get("score_source") == "batch_loss"
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
        self._scoring: Plan | None = None
        """What the present epoch left out, as far as it was asked for."""
        self._scored = 0
        """Samples of it that were reported."""
        self._largest_batch = 0
        self._is_in_order = True
        self._is_finished = False
        """Whether this rank has closed the run; everything was recorded before."""
        self.warns_of_silence = True
        """Whether it is still to be said that an epoch without losses is no help to the policy."""
        self._warns_of_unscored = True
        """Whether it is still to be said that what an epoch left out was to be scored."""

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
    def is_unpruned(self) -> bool:
        """Whether the present epoch goes on without a sampler."""
        return self._failure is not None or isinstance(self._plan, UnprunedPlan)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that reports of the present epoch may carry, those included that the policy needs."""
        return self._plan.metrics if isinstance(self._plan, Plan) else ()

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
            self._scoring = None
            self._scored = 0
            self._largest_batch = 0
            self._is_in_order = True
        return self._plan

    @property
    def is_at_end(self) -> bool:
        """Whether the present epoch is resumed at its very end. Its plan is then not needed, nor to be asked for: a run
        that has gone on since would go back to the epoch's start.
        """
        resumed = self._checkpoint
        if self._plan is not None or self._failure is not None or resumed is None or resumed.epoch != self.epoch:
            return False
        return 0 < self._known_positions() == self._resumed_position()

    def set_epoch(self, epoch: int) -> None:
        """The epoch that is trained next, from 0. Fetches nothing yet."""
        if epoch < 0:
            raise ValueError(f"epoch is {epoch}: it must be at least 0")
        self.epoch = int(epoch)

    def length(self, *, whole: bool = False) -> int:
        """Positions of this rank in the present epoch, or those that are left where it goes on in the middle of it,
        unless `whole`. Waits for nothing, but for the plan where only that can tell.
        """
        positions = self._known_positions()
        if positions < 0:
            positions = self.plan.position_count
        if whole:
            return positions
        if self.has_plan and self._plan is not None:
            return positions - self._plan.start_position
        return positions if self._failure is not None else positions - self._resumed_position()

    def kept_count(self) -> int:
        """Samples that the present epoch trains on, over all ranks. Waits for nothing: where the policy decides it, it
        is that of the epoch before until the plan is there.
        """
        if self._plan is not None and (self.has_plan or not self.lengths.is_known(self.epoch)):
            return self._plan.kept_count
        if self._failure is not None or not self.lengths.is_known(self.epoch):
            return self.lengths.sample_count
        return self.lengths.kept_count(self.epoch)

    def saving(self) -> float:
        """Share of the data set left out so far, the present epoch included. Waits for nothing: where the policy
        decides how long an epoch is, it is that of the epoch before until the plan is there.
        """
        if self.has_plan or not all(self.lengths.is_known(epoch) for epoch in range(self.epoch + 1)):
            return self._plan.saving if self._plan is not None else 0.0
        return self.lengths.saving(self.epoch + 1)

    def following(self, count: int) -> npt.NDArray[np.uint32]:
        """The indices of the next `count` positions. Raises ValueError where fewer are left."""
        return following(self._present_plan(), self.position, count)

    @property
    def score_count(self) -> int:
        """Samples of this rank that are to be scored after the present epoch. Waits for nothing, but where the epoch is
        resumed at its end and was not scored yet: then the run is looked at.
        """
        if self._failure is not None:
            return 0
        if self.is_at_end:
            if not self._can_still_score():
                return 0
            _ = self.plan
        if not self.has_plan:
            raise ValueError(
                f"epoch {self.epoch} has no plan yet, so nothing is left out: score what an epoch left out after its "
                "training, before sampler.set_epoch() of the next one"
            )
        return self._plan.score_count if isinstance(self._plan, Plan) else 0

    @property
    def scoring(self) -> Plan | None:
        """What this rank scores after the present epoch; None: nothing. The first use in an epoch fetches it."""
        if self.score_count == 0:
            return None
        if self._scoring is None:
            world = self.world
            try:
                self._scoring = self.run.plan_scoring(
                    self.epoch, rank=world.rank, world_size=world.world_size, timeout=self._timeout
                )
            except KeepsetError as error:
                self._fail(error)
        return self._scoring

    def report(self, indices: Values | None, losses: Values, metrics: Mapping[str, Values]) -> int:
        """Hands over the losses of a batch, (B,), or with `score_source` "batch_loss" their mean, (1,). `indices` None:
        they are those of the next positions of the plan. Returns the number of samples.
        """
        plan = self._present_plan()
        count = batch_size(indices, losses, metrics, is_batch_loss=self._is_batch_loss)
        if indices is None:
            reported = following(plan, self.position, count)
            position = self.position + count
        else:
            reported = indices
            position = position_after(plan, self.position, indices, count, self._largest_batch)
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
        return count

    def report_scoring(self, indices: Values, losses: Values, metrics: Mapping[str, Values]) -> None:
        """Hands over losses, as `report` does, of a batch of `scoring`."""
        count = batch_size(indices, losses, metrics, is_batch_loss=self._is_batch_loss)
        plan = self.scoring
        if plan is None:
            return
        try:
            plan.report(indices, losses, metrics)
        except KeepsetError as error:
            self._fail(error)
        self._scored += count

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
        planned = plan if isinstance(plan, Plan) and position > 0 else None
        return Checkpoint(
            run_id=self.run_id,
            epoch=self.epoch,
            position=position,
            world_size=self.world.world_size,
            generation=plan.generation if isinstance(plan, Plan) else 0,
            digest=planned.digest.hex() if planned is not None else "",
            kept_count=planned.kept_count if planned is not None else 0,
            is_unscored=planned is not None and self._scored < planned.score_count,
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

    def _can_still_score(self) -> bool:
        """Whether the run can stand where the checkpoint was made, at the end of an epoch that was not scored."""
        resumed = self._checkpoint
        if resumed is None or not resumed.is_unscored or resumed.world_size != self.world.world_size:
            return False
        if resumed.export is not None:
            return True
        try:
            info = self.client.get_run(self.run_id)
        except RunNotFoundError:
            return False
        return (info.state, info.next_epoch, info.generation) == ("active", resumed.epoch + 1, resumed.generation)

    def _resumed_position(self) -> int:
        """Position at which this rank goes on in the present epoch, by the checkpoint."""
        resumed = self._checkpoint
        if resumed is None or resumed.epoch != self.epoch:
            return 0
        return resumed.start_position(self.lengths, self.world.world_size)

    def _known_positions(self) -> int:
        """Positions of this rank in the whole of the present epoch; -1 where only its plan can tell."""
        world_size = self.world.world_size
        if self.has_plan and self._plan is not None:
            return self._plan.position_count
        if self._failure is not None:
            return self.lengths.share_out(self.lengths.sample_count, world_size)
        resumed = self._checkpoint
        if resumed is not None and resumed.epoch == self.epoch and resumed.kept_count > 0:
            return resumed.position_count(self.lengths, world_size)
        return self.lengths.position_count(self.epoch, world_size) if self.lengths.is_known(self.epoch) else -1

    def _present_plan(self) -> Plan | UnprunedPlan:
        """The plan of the present epoch, which was asked for before."""
        plan = self._plan
        if plan is None or plan.epoch != self.epoch:
            raise ValueError(
                f"nobody has asked for the samples of epoch {self.epoch} yet, so these losses are of others: make the "
                "loader with sampler=sampler, and iterate over it after sampler.set_epoch(epoch)"
            )
        return plan

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
        if plan is None:
            self._warn_of_unscored_checkpoint()
        if plan is None or self.epoch != plan.epoch + 1:
            return
        self._warn_of_unscored(plan)
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

    def _warn_of_unscored(self, plan: Plan | UnprunedPlan) -> None:
        """Once: what an epoch left out keeps losses that are older than the policy counts on."""
        if not self._warns_of_unscored or self._failure is not None or not isinstance(plan, Plan):
            return
        if self._scored >= plan.score_count:
            return
        self._warns_of_unscored = False
        _log.warning(
            "epoch %d left out samples that were to be scored before epoch %d, and %d of the %d of this rank were: "
            "call keepset.score_left_out(sampler, dataset, model, loss_fn) after each epoch, or give the sampler "
            "score_left_out=False",
            plan.epoch,
            self.epoch,
            self._scored,
            plan.score_count,
        )

    def _warn_of_unscored_checkpoint(self) -> None:
        """Where a training goes on after an epoch that was not scored yet when the checkpoint was made, nor since."""
        resumed = self._checkpoint
        if resumed is None or self.epoch != resumed.epoch + 1 or self.world.rank != 0 or not self._can_still_score():
            return
        _log.warning(
            "the checkpoint was made before what epoch %d left out was scored: call sampler.set_epoch(%d) and "
            "keepset.score_left_out(sampler, dataset, model, loss_fn) after sampler.load_state_dict(), on every rank, "
            "or make checkpoints after the scoring",
            resumed.epoch,
            resumed.epoch,
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
