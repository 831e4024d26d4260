"""Tells the Trainer about epochs, whose lengths only the loader knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from keepset.learning_rate import ScaledRates
from keepset.transformers.train_loader import TrainLoader


class EpochCallback(TrainerCallback):
    """Corrects what the Trainer derives from an epoch's length: how many epochs there are and were, and when one ends.

    latest_loader: gives the loader that was made last, when a training begins: that of the training. Some versions of
        transformers do not tell it.
    score_left_out: scores what the present epoch left out. That happens with the epoch's last step, before other
        callbacks and checkpoints of it.
    """

    def __init__(
        self, latest_loader: Callable[[], TrainLoader | None], score_left_out: Callable[[TrainLoader], None]
    ) -> None:
        self._latest_loader = latest_loader
        self._score_left_out = score_left_out
        self._loader: TrainLoader | None = None
        self._rates: ScaledRates | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, optimizer: Any = None, **kwargs: Any) -> None:
        loader = self._loader = self._latest_loader()
        assert loader is not None
        state.num_train_epochs = loader.epochs
        loader.begin(is_over=state.global_step >= state.max_steps)
        if self._rates is not None:  # of a training that has failed
            self._rates.remove()
        self._rates = ScaledRates(loader.sampler, [optimizer])

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        assert self._loader is not None
        state.epoch = self._loader.epochs_done
        # Without it the Trainer asks the loader for batches until it has asked for those of all epochs.
        control.should_epoch_stop = control.should_epoch_stop or self._loader.is_at_end
        if self._loader.is_at_end:
            self._score_left_out(self._loader)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        assert self._loader is not None and self._rates is not None
        self._rates.remove()
        self._loader.sampler.flush()
