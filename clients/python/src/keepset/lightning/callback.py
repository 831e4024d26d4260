"""The callback that makes a Lightning Trainer follow a sampler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch.utils.data import DataLoader

from keepset.infinite_sampler import InfiniteSampler
from keepset.learning_rate import ScaledRates
from keepset.lightning.left_out import check_scoring_step, run_scoring_steps
from keepset.lightning.loaders import find_loader
from keepset.lightning.loop_counts import start_epoch
from keepset.lightning.package import Callback, LightningModule, Trainer
from keepset.sampler import Sampler


class KeepsetCallback(Callback):
    """Makes a Trainer follow a `keepset.Sampler`: epochs of different lengths, and checkpoints that hold the sampler.

    ```python
    sampler = keepset.Sampler(dataset, prune_rate=0.5, epochs=20)
    loader = DataLoader(keepset.indexed(dataset), batch_size=128, sampler=sampler, collate_fn=keepset.collate)
    trainer = Trainer(max_epochs=20, callbacks=[KeepsetCallback(sampler)])
    trainer.fit(Model(sampler), loader)
    ```

    The module keeps the sampler that it is given; its `training_step` ends with `return sampler.report(index, losses)`.

    Lightning would keep the length of the first epoch: the callback sets the trainer's
    `reload_dataloaders_every_n_epochs` to 1. Checkpoints are made and loaded as without it, at the end of an epoch or
    in its middle, and no sample is trained twice or lost. At the end of `fit` all losses are recorded, and a run that
    had all of the sampler's `epochs` is finished. `validate`, `test` and `predict` leave the sampler alone.

    Where the policy has what an epoch leaves out scored, the module's `scoring_step(batch, batch_idx)` is called with
    it after the epoch's last batch, in eval mode and without gradient; it ends with
    `self.sampler.scoring.report(index, losses)`. A plan's `learning_rate_factor` is in each step of the trainer's
    optimizers, and no scheduler sees it: `keepset.ScaledRates`.

    Each epoch logs `kept_fraction` and `saving`; in the module's `on_train_epoch_end` the sampler is in the next one.

    Args:
        sampler: the one in the loader that is trained on.
        export: checkpoints carry the run's whole state, about 30 bytes a sample, so that the training can go on with
            another sampler, on another machine.

    Raises:
        ValueError: for a sampler, and in `fit` for a loader, trainer, module or checkpoint, that cannot be right.
    """

    def __init__(self, sampler: Sampler, *, export: bool = False) -> None:
        if not isinstance(cast(object, sampler), Sampler) or isinstance(sampler, InfiniteSampler):
            raise ValueError(f"sampler is a {type(sampler).__name__}: KeepsetCallback(sampler) takes a keepset.Sampler")
        self.sampler = sampler
        self.export = export
        self._trainer: Any = None
        """The trainer, while it fits."""
        self._start: Mapping[str, Any] = {}
        self._start_epoch = 0
        """The sampler's state at the start of `fit`, and the epoch of it, from 0."""
        self._batch_start: int | None = None
        """Position before the batch that is being trained."""
        self._rates: ScaledRates | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Prepares the trainer for epochs of different lengths."""
        self._trainer = trainer if stage == "fit" else None
        self._batch_start = None
        if self._trainer is None:
            return
        if self._trainer.overfit_batches > 0:
            raise ValueError(
                "overfit_batches takes the sampler out of the loader: leave out Trainer(overfit_batches=...), or "
                "train without KeepsetCallback and sampler.report"
            )
        self._trainer.reload_dataloaders_every_n_epochs = 1
        # Lightning itself counts the batches of an epoch that came before a checkpoint.
        self.sampler.has_whole_length = True
        # Also where a `fit` before has trained on a part of the epoch, or has finished the run.
        self._start_epoch = trainer.current_epoch
        self._start = {**self.sampler.state_dict(), "epoch": self._start_epoch, "position": 0, "digest": ""}
        self._go_to_start()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checks loader, processes and checkpoint against the sampler, and sees to the optimizers' rates."""
        loader = find_loader(trainer.train_dataloader, self.sampler)
        check_scoring_step(pl_module, self.sampler)
        shares: dict[str, Any] = cast(Any, trainer).distributed_sampler_kwargs or {"rank": 0, "num_replicas": 1}
        if (self.sampler.rank, self.sampler.world_size) != (shares["rank"], shares["num_replicas"]):
            raise ValueError(
                f"the sampler is that of rank {self.sampler.rank} of {self.sampler.world_size}, Lightning's process is "
                f"rank {shares['rank']} of {shares['num_replicas']}: leave out Sampler(rank=, world_size=)"
            )
        self._check_middle(cast(Any, trainer).fit_loop.epoch_loop.batch_progress.current.processed, loader)
        self._rates = ScaledRates(self.sampler, trainer.optimizers)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Remembers where the batch begins."""
        self._batch_start = self.sampler.position

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Sees to it that the batch was reported, and has scored what the epoch left out, if it is its last one: before
        Lightning makes a checkpoint.
        """
        if self.sampler.position == self._batch_start:
            raise ValueError(
                f"training_step reported no losses of batch {batch_idx}: end it with "
                "`return sampler.report(index, losses)`"
            )
        self._batch_start = None
        if trainer.is_last_batch:
            run_scoring_steps(trainer, pl_module, self.sampler, find_loader(trainer.train_dataloader, self.sampler))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Gives the optimizers their own rates back."""
        self._free_rates()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Logs what the epoch kept, and names the next one: Lightning asks for its length before it sets it."""
        shares = {"kept_fraction": self.sampler.kept_fraction, "saving": self.sampler.saving}
        pl_module.log_dict(shares, sync_dist=True)
        self.sampler.set_epoch(trainer.current_epoch + 1)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Waits until all losses are recorded; finishes the run after the last of its `epochs`."""
        self._free_rates()
        self.sampler.flush()
        trainer.strategy.barrier("keepset")  # Losses of another rank would be refused by a run that is finished.
        if self.sampler.epochs is not None and trainer.current_epoch >= self.sampler.epochs:
            self.sampler.finish()
            trainer.strategy.barrier("keepset")  # After `fit` it is finished for every rank.
        # What the sampler then tells, as `saving`, is about the last epoch, if it has its plan.
        self.sampler.set_epoch(max(0, trainer.current_epoch - 1))
        if self.sampler.position == 0:
            self.sampler.set_epoch(trainer.current_epoch)

    def state_dict(self) -> dict[str, Any]:
        """The sampler's state, for the checkpoint. Lightning calls it on every rank and saves that of rank 0."""
        export = self.export
        if export and self._trainer is not None:
            self.sampler.flush()
            self._trainer.strategy.barrier("keepset")  # No rank's losses are on their way.
            export = self._trainer.is_global_zero
        state = self.sampler.state_dict(export=export)
        if self._batch_start is not None:
            # The training ended in the middle of a batch. Lightning trains it again.
            state["position"] = self._batch_start
        elif self.sampler.position > 0 and self._trainer is not None and self._trainer.is_last_batch:
            # The epoch is over, also where drop_last or limit_train_batches left some of its samples out.
            state["position"] = len(self.sampler)
        return state

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Finds the epoch in which the training goes on."""
        if self._trainer is None:
            return
        if self.state_key not in checkpoint["callbacks"]:
            raise ValueError(
                "the checkpoint was made without KeepsetCallback and has no state of the sampler: leave out "
                "fit(ckpt_path=...) and load the weights alone, with load_from_checkpoint"
            )
        self._start_epoch = start_epoch(checkpoint["loops"]["fit_loop"])

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Goes on from a checkpoint's state; not where it is loaded to validate or to test."""
        if self._trainer is not None:
            self._start = state_dict
            self._go_to_start()

    def _free_rates(self) -> None:
        if self._rates is not None:
            self._rates.remove()
            self._rates = None

    def _go_to_start(self) -> None:
        self.sampler.load_state_dict(self._start)
        self.sampler.set_epoch(self._start_epoch)

    def _check_middle(self, before: int, loader: DataLoader[Any]) -> None:
        """In an epoch that goes on in its middle, the batches before and those that are left must be all there are."""
        whole = len(loader)
        self.sampler.has_whole_length = False
        left = len(loader)
        self.sampler.has_whole_length = True
        if 0 < left < whole and before + left != whole:
            raise ValueError(
                f"the checkpoint was made after {before} batches of an epoch, of whose {whole} batches {left} are "
                "left: go on with the batch size and the number of processes of before, or from the end of an epoch"
            )
