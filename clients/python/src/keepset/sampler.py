"""The sampler of a PyTorch DataLoader that trains on a run's plans."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from keepset.batch_columns import batch_columns
from keepset.checkpoint import Checkpoint
from keepset.client import Plan, Run
from keepset.device_values import pending_indices
from keepset.epoch_lengths import EpochLengths
from keepset.indices import iterate
from keepset.policies import Backlog, Policy
from keepset.policy_traits import default_prune_rate, run_defaults
from keepset.progress import ProgressBar
from keepset.rank_run import RankRun
from keepset.scoring import Scoring
from keepset.unpruned import UnprunedPlan
from keepset.weights import EpochWeights

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Index = Tensor | npt.NDArray[Any] | Sequence[int]


class Sampler(DistributedSampler[int]):
    """Gives a DataLoader the samples to train on in each epoch, and takes each batch's losses back.

    ```python
    sampler = keepset.Sampler(dataset, prune_rate=0.5, epochs=200)
    loader = DataLoader(keepset.indexed(dataset), batch_size=128, sampler=sampler)
    for epoch in range(200):
        sampler.set_epoch(epoch)
        for index, (x, y) in loader:
            loss = sampler.report(index, F.cross_entropy(model(x), y, reduction="none"))
            loss.backward()
    ```

    Making one asks nothing of the network: the run is made, or found, when the first plan is needed. In a distributed
    training each rank makes one, with the same arguments. It is a `DistributedSampler` in name only, so that frameworks
    which shard other samplers leave it alone: it takes part in no collective call.

    Args:
        data: the data set that is trained on, or its number of samples, N. Indices are 0 to N - 1.
        policy: the rule that chooses; see `keepset.policies`. None: `Backlog`, which
            is made for losses of the scale of cross entropies.
        prune_rate: share of the data set that is left out, p in [0, 1): floor((1 - p) N) samples are kept, unless the
            policy says that the count is its own. None: 0.5, or 0 where the policy needs none, 0.3 with `Kakurenbo`.
        epochs: epochs that the training will have. Sets the default of `selection_period`; needed by `tail_epochs`
            and `total_steps`.
        seed: key of every random choice. The same settings, seed and losses give the same plans.
        address: HOST:PORT of a sampler; None starts one beside this process, or shares the one of another rank on
            this machine.
        run_id: the run's name. None makes one of the script's name and a digest of its path, user and settings, so that
            a rerun finds its run. Two trainings that are to go on at the same time need names of their own, where
            script and settings are the same.
        rank, world_size: None: those of torch.distributed, else RANK and WORLD_SIZE of the environment, else 0 of 1.
        selection_period: epochs from one selection to the next. None: what the policy says, or else
            max(1, round(epochs / 20)), or 10 where `epochs` is None.
        warmup_epochs, tail_epochs: first and last epochs that train on everything. None: what the policy says, or else
            1 and 0.
        prune_rate_schedule: pairs (first epoch, prune rate), rising.
        shard_mode: how ranks get equally many positions: "pad" repeats a rank's own first sample, "drop" leaves out
            the last ones.
        position_multiple: each rank's positions are brought to a multiple of this. Batch size x accumulation steps:
            every optimizer step is whole.
        non_finite: a loss that is NaN or infinite: "ignore" counts it and changes nothing, "reject" refuses its batch.
        metrics: names of further columns that `report` hands over, for example ["correct", "confidence"]. Those that
            the policy needs are added.
        weights: whether the loss that `report` returns is weighted, each sample by 1 / the probability with which it
            was kept: "on" or "off". None: what the policy says, or else "off". The sum over an epoch is then that of
            all samples, in expectation, and the mean of a batch N / k times their mean.
        weight_cap: the greatest weight, at least 1. None: none is too large.
        score_source: what `report` takes: "loss", the loss of each sample; "batch_loss", one value, the mean of the
            batch, for a model that tells no more. Not with weights.
        batch_loss_momentum: with "batch_loss", the weight of a sample's old value, in [0, 1). None: 0.7.
        score_left_out: whether what an epoch leaves out has a forward pass after it: `keepset.score_left_out`. None:
            what the policy says, or else False.
        data_dir: where the embedded sampler keeps its runs. None: `keepset-data` beside the script.
        on_failure: when the sampler cannot be reached past the deadline: "raise", or "unpruned": go on with every
            sample, with a warning.
        timeout: seconds that a plan waits for the other ranks.
        progress: show a bar with kept share and saving (needs tqdm), on rank 0.

    Raises:
        ValueError: an argument that cannot be right. What only the sampler can know raises a `KeepsetError` when the
            first plan is fetched.
    """

    def __init__(
        self,
        data: Dataset[Any] | Sized | int,
        *,
        policy: Policy | None = None,
        prune_rate: float | None = None,
        epochs: int | None = None,
        seed: int = 0,
        address: str | None = None,
        run_id: str | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        selection_period: int | None = None,
        warmup_epochs: int | None = None,
        tail_epochs: int | None = None,
        prune_rate_schedule: Sequence[tuple[int, float]] = (),
        shard_mode: Literal["pad", "drop"] = "pad",
        position_multiple: int = 1,
        non_finite: Literal["ignore", "reject"] = "ignore",
        metrics: Sequence[str] = (),
        weights: Literal["on", "off"] | None = None,
        weight_cap: float | None = None,
        score_source: Literal["loss", "batch_loss"] = "loss",
        batch_loss_momentum: float | None = None,
        score_left_out: bool | None = None,
        data_dir: str | os.PathLike[str] | None = None,
        on_failure: Literal["raise", "unpruned"] = "raise",
        timeout: float = 600.0,
        progress: bool = False,
    ) -> None:
        policy = Backlog() if policy is None else policy
        if not isinstance(policy, Policy):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"policy is {policy!r}: make it one of keepset's, for example policy=keepset.UCB()")
        if prune_rate is None:
            prune_rate = default_prune_rate(policy)
        defaults = run_defaults(policy, epochs)
        self.has_weights = defaults.has_weights if weights is None else weights == "on"
        """Whether `report` returns a weighted loss."""
        self.scores_left_out = defaults.scores_left_out if score_left_out is None else score_left_out
        """Whether what an epoch leaves out is to be scored: `scoring`."""
        self.reports_batch_loss = score_source == "batch_loss"
        """Whether `report` takes the mean loss of a batch."""
        if self.has_weights and self.reports_batch_loss:
            raise ValueError(
                f'score_source="batch_loss" knows no loss of a sample that could be weighted, and {policy} has '
                'weights: give Sampler(weights="off")'
            )
        lengths = EpochLengths(
            sample_count=_sample_count(data),
            prune_rate=prune_rate,
            policy=policy,
            prune_rate_schedule=tuple(prune_rate_schedule),
            epochs=epochs,
            warmup_epochs=warmup_epochs,
            tail_epochs=tail_epochs,
            shard_mode=shard_mode,
            position_multiple=position_multiple,
        )
        settings: dict[str, Any] = {
            "sample_count": lengths.sample_count,
            "policy": policy,
            "prune_rate": prune_rate,
            "prune_rate_schedule": lengths.prune_rate_schedule,
            "epochs": epochs,
            "seed": seed,
            "selection_period": selection_period,
            "warmup_epochs": warmup_epochs,
            "tail_epochs": tail_epochs,
            "shard_mode": shard_mode,
            "position_multiple": position_multiple,
            "non_finite": non_finite,
            "metrics": tuple(metrics),
            "weights": weights,
            "weight_cap": weight_cap,
            "score_source": score_source,
            "batch_loss_momentum": batch_loss_momentum,
            "score_left_out": score_left_out,
        }
        self._run = RankRun(
            settings,
            lengths,
            run_id=run_id,
            address=address,
            data_dir=data_dir,
            rank=rank,
            world_size=world_size,
            on_failure=on_failure,
            timeout=timeout,
        )
        self._weights: EpochWeights | None = None
        self._bar = ProgressBar() if progress else None
        self.has_whole_length = False
        """Whether `len()` is that of the whole epoch also in one that is resumed in its middle: for a framework that
        counts the batches of before itself.
        """

    # What a DataLoader and the frameworks ask for.

    @property
    def rank(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """This process's rank."""
        return self._run.world.rank

    @property
    def num_replicas(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """World size, by the name that `DistributedSampler` has for it."""
        return self._run.world.world_size

    @property
    def world_size(self) -> int:
        """Number of data-parallel workers."""
        return self._run.world.world_size

    @property
    def epoch(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The epoch that `len()` and `iter()` are of."""
        return self._run.epoch

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch is trained next, from 0. Asks nothing of the sampler yet; to be called before each epoch's
        `iter(loader)`.
        """
        self._run.set_epoch(epoch)

    def __len__(self) -> int:
        """Positions of this rank in the epoch; in an epoch that is resumed in its middle, those that are left. Waits
        for nothing, but for the epoch's plan where the policy itself decides how many samples it keeps.
        """
        return self._run.length(whole=self.has_whole_length)

    @property
    def position(self) -> int:
        """Samples of the present epoch that this rank has reported, with those of before a checkpoint; 0 as long as
        the epoch has no plan.
        """
        return self._run.position if self._run.has_plan else 0

    def __iter__(self) -> Iterator[int]:
        """The indices of the epoch for this rank, in training order. The first time in an epoch it delivers the
        losses of the epoch before and waits for the other ranks.
        """
        return iter(()) if self._run.is_at_end else iterate(self._run.plan.indices)

    # Losses.

    @overload
    def report(
        self,
        index: Tensor,
        /,
        *,
        metrics: Mapping[str, Any] | None = None,
        score: Any = None,
        logits: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Tensor: ...
    @overload
    def report(
        self,
        index: Index,
        losses: Tensor,
        *,
        metrics: Mapping[str, Any] | None = None,
        score: Any = None,
        logits: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Tensor: ...
    def report(
        self,
        index: Index,
        losses: Tensor | None = None,
        *,
        metrics: Mapping[str, Any] | None = None,
        score: Any = None,
        logits: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> Tensor:
        """Hands over a batch's losses and returns their mean, to back-propagate; with weights mean(weight * loss).

        Copies and returns: it waits neither for the network nor for the GPU, but where the queue of reports is full.

        Args:
            index: the samples of the batch, (B,) integers: what `keepset.indexed` put beside them. Left out, as in
                `report(losses)`, the batch is the next one of the plan: right only where every batch is reported once
                and in the loader's order.
            losses: un-reduced training loss of each sample, (B,), any float dtype; `reduction="none"`. Without weights,
                which come here. `keepset.per_sample` and `keepset.per_object` bring other shapes to this one. With
                `score_source="batch_loss"` it is the batch's mean, a scalar, and is returned as it is.
            metrics: further columns, by name, (B,) each: those that the run has, for example
                `{"correct": keepset.scores.correct(logits, y)}`.
            score: (B,) what the policy is to judge by in the place of the losses, for example
                `keepset.scores.el2n(logits, y)`. With `CustomScore` it is the metric `score`, beside the losses.
            logits, targets: (B, C) before the softmax and (B,) class indices, of which those of correct, confidence and
                el2n are made that the run has and `metrics` does not.

        Returns:
            The mean loss, a float32 scalar that can be differentiated. With weights it is mean(weight * loss), whose
            expectation is N / k times the mean loss of all samples: divide by that for steps as large as without.

        Raises:
            ValueError, TypeError: shapes or types that do not fit, a metric that the policy needs and has not, or an
                epoch that was reported whole: `set_epoch` is missing. Nothing was handed over.
            KeepsetError: the run has failed: an earlier report was refused, for example for an index that is not in the
                plan, or the sampler was out of reach past the deadline.
        """
        if losses is None:
            if not isinstance(index, Tensor):
                raise ValueError("report(losses) needs a tensor of losses, report(index, losses) both")
            losses, indices = index, None
        else:
            indices = pending_indices(index)
        columns = batch_columns(self._run, losses, metrics=metrics, score=score, logits=logits, targets=targets)
        # Before the report: the sender's thread, once awake, takes the interpreter while torch computes.
        loss = losses if self.reports_batch_loss else self._mean(None if indices is None else index, losses)
        count = self._run.report(indices, columns.losses, columns.metrics)
        if self._bar is not None:
            self._bar.update(self._run, count)
        return loss

    def report_batch_loss(self, index: Index, loss: Tensor) -> Tensor:
        """Hands over the mean loss of a batch as the loss of each of its samples, for a model that tells no more, and
        returns it.

        A sample's statistics then follow those of the batches that it was in: weaker than its own loss, and free.
        `score_source="batch_loss"` is the same with a memory: a sample keeps a part of its old value.

        Args:
            index: (B,) the samples of the batch.
            loss: the batch's mean loss, a scalar.
        """
        if loss.numel() != 1:
            raise ValueError(
                f"loss has the shape {tuple(loss.shape)}: report_batch_loss takes the batch's mean; for a loss per "
                f"sample call report(index, losses)"
            )
        if self.has_weights:
            raise ValueError(
                'a batch\'s mean loss cannot be weighted by sample: give Sampler(weights="off"), or call '
                "report(index, losses) with the loss of each sample"
            )
        self.report(index, loss if self.reports_batch_loss else loss.detach().reshape(1).expand(len(index)))
        return loss

    @property
    def scoring(self) -> Scoring:
        """What this rank is to score after the training of the present epoch, a sampler of its own: see
        `keepset.score_left_out`, which uses it. Empty where nothing is to be scored.
        """
        return Scoring(self._run)

    def flush(self) -> None:
        """Waits until every loss handed over is recorded. Raises KeepsetError where that cannot be."""
        self._run.flush()

    def finish(self) -> None:
        """Closes the run after the last epoch: it takes no more losses and can be read. To be called on every rank;
        not needed, but tells everyone that the training is over.
        """
        self._run.finish()

    def close(self) -> None:
        """Delivers what is left and lets go of the sampler; the end of the process does it too."""
        if self._bar is not None:
            self._bar.close()
        self._run.close()

    # How long it takes, and what it saves.

    def steps_per_epoch(self, batch_size: int, drop_last: bool = False, *, epoch: int | None = None) -> int:
        """Batches of this rank in an epoch (None: the present one), whole. Raises ValueError where only the epoch's
        plan can tell, as the policy decides how many samples it keeps.
        """
        epoch = self.epoch if epoch is None else epoch
        return self._run.lengths.step_count(epoch, self.world_size, batch_size, drop_last)

    def total_steps(self, batch_size: int, epochs: int | None = None, drop_last: bool = False) -> int:
        """Batches of this rank over the first `epochs` epochs (None: all), for a learning-rate schedule. Raises
        ValueError where `steps_per_epoch` does.
        """
        epochs = self._run.lengths.epochs if epochs is None else epochs
        if epochs is None:
            raise ValueError("epochs is None: give it here or to Sampler(epochs=...)")
        return sum(
            self._run.lengths.step_count(epoch, self.world_size, batch_size, drop_last) for epoch in range(epochs)
        )

    @property
    def lengths(self) -> EpochLengths:
        """The settings that fix how long each epoch is."""
        return self._run.lengths

    @property
    def epochs(self) -> int | None:
        """Epochs that the training will have, as the sampler was told."""
        return self._run.lengths.epochs

    @property
    def kept_fraction(self) -> float:
        """Share of the data set that the present epoch trains on, in (0, 1]. Where the policy decides it, that of the
        epoch before, until the plan is there.
        """
        return self._run.kept_count() / self._run.lengths.sample_count

    @property
    def saving(self) -> float:
        """Share of the data set left out so far, the present epoch included: 1 - samples planned / (epochs x N), below
        1. As `kept_fraction`, where the policy decides.
        """
        return self._run.saving()

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self._run.run_id

    @property
    def run(self) -> Run:
        """The run by the core client: its info, its settings, its progress."""
        return self._run.run

    @property
    def plan(self) -> Plan | UnprunedPlan:
        """The present epoch's plan: why it keeps what it keeps, its digest, its indices, their weights, and what the
        learning rate is to be multiplied with, `learning_rate_factor`.
        """
        return self._run.plan

    @property
    def policy(self) -> Policy:
        """The rule that chooses."""
        return self._run.settings["policy"]

    @property
    def learning_rate_factor(self) -> float:
        """What the learning rate is to be multiplied with in the present epoch; 1 as long as that has no plan, and with
        all policies but `Kakurenbo`. `keepset.ScaledRates` does it.
        """
        return self._run.plan.learning_rate_factor if self._run.has_plan else 1.0

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draws kept share and saving over the epochs, and how often the samples were kept (needs matplotlib).
        `path`: a file to write it to as well.
        """
        from keepset.plot import plot_run

        self.flush()
        return plot_run(self._run, path)

    def __repr__(self) -> str:
        settings = self._run.settings
        kept = self._run.kept_count()
        rate = f"{type(settings['policy']).__name__}, prune rate {settings['prune_rate']:g}"
        return (
            f"keepset.Sampler(run {self.run_id!r}, {rate}, epoch {self.epoch}: {kept:,} of "
            f"{self._run.lengths.sample_count:,} samples, "
            f"saving {100 * self.saving:.1f} %)"
        )

    # Checkpoints.

    def state_dict(self, *, export: bool = False) -> dict[str, Any]:
        """Where the training stands: plain values, and one uint8 tensor with `export`. Waits until all losses handed
        over are recorded.

        It is the same on all ranks that have reported equally many samples. Call it on every rank and save rank 0's:
        then no rank's losses are still on their way. To be called between two batches, also in the middle of an epoch.

        Args:
            export: with the run's whole state, about 30 bytes a sample: the training can then go on with another
                sampler, on another machine.
        """
        checkpoint = self._run.checkpoint(export=export)
        state = checkpoint.to_dict()
        if checkpoint.export is not None:
            state["export"] = torch.frombuffer(bytearray(checkpoint.export), dtype=torch.uint8)
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Goes on from a `state_dict`: the run is taken back to where it was then, when the next plan is fetched. To be
        called on every rank, before the epoch's `iter(loader)`. `sampler.epoch` is then the epoch to go on with: the
        next one, where the state was taken at the end of an epoch. `set_epoch` of another one begins that at its start.
        Where that epoch was not scored yet, `set_epoch` of it and `keepset.score_left_out` come first; a warning says
        so.

        Raises ValueError for a state that is none, or of another run than `run_id` names.
        """
        export = state_dict.get("export")
        data = None if export is None else export.cpu().numpy().tobytes()
        self._run.restore(Checkpoint.from_dict(state_dict, data))

    def _mean(self, index: Index | None, losses: Tensor) -> Tensor:
        """The mean loss of a batch, weighted. `index` None: it is of the next positions of the plan."""
        weights = self._present_weights()
        if weights is None:
            return losses.mean(dtype=torch.float32)
        return weights.weighted_mean(self._run.following(len(losses)) if index is None else index, losses)

    def _present_weights(self) -> EpochWeights | None:
        """Those of the present epoch; None where all are 1."""
        plan = self._run.plan if self._run.has_plan else None
        weights = plan.weights if isinstance(plan, Plan) else None
        if not isinstance(plan, Plan) or weights is None:
            return None
        if self._weights is None or self._weights.plan is not plan:
            self._weights = EpochWeights(plan, weights)
        return self._weights


def _sample_count(data: Dataset[Any] | Sized | int) -> int:
    if isinstance(data, int):
        count = data
    elif isinstance(data, Sized):
        count = len(data)
    else:
        raise ValueError(
            f"data is a {type(data).__name__} without a length: pass a map-style data set, or its number of samples"
        )
    if count < 1:
        raise ValueError(f"data has {count} samples: it must have at least 1")
    return count
