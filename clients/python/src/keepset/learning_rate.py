"""The learning rate of a plan, for an optimizer whose rates a scheduler sees to."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from torch.optim import Optimizer

from keepset.policies import Kakurenbo
from keepset.sampler import Sampler

_log = logging.getLogger("keepset")


class ScaledRates:
    """Multiplies an optimizer's learning rates with the sampler's `learning_rate_factor` for the time of each of its
    steps: before and after it they are what they were, so that a scheduler is not disturbed and nothing of it is in a
    checkpoint.

    ```python
    keepset.ScaledRates(sampler, [optimizer])
    ```

    Args:
        sampler: the one whose samples the optimizer is stepped for.
        optimizers: those of torch, or wrappers which have it as their `optimizer`. A warning tells of others, where the
            policy has a factor: they keep their rates.
    """

    def __init__(self, sampler: Sampler, optimizers: Iterable[Any]) -> None:
        self._sampler = sampler
        self._before: list[tuple[dict[str, Any], Any]] = []
        self._hooks: list[Any] = []
        for optimizer in optimizers:
            inner = _innermost(optimizer)
            if isinstance(inner, Optimizer):
                self._hooks.append(inner.register_step_pre_hook(self._scale))
                self._hooks.append(inner.register_step_post_hook(self._restore))
            elif isinstance(sampler.policy, Kakurenbo):
                _log.warning(
                    "%s is no optimizer of torch: its learning rate is not multiplied with the plan's "
                    "learning_rate_factor",
                    type(optimizer).__name__,
                )

    def remove(self) -> None:
        """Leaves the optimizers alone from now on, with the rates that they had, also where a step has failed."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._restore()

    def _scale(self, optimizer: Optimizer, *_: Any) -> None:
        self._restore()  # where the step before has failed
        factor = self._sampler.learning_rate_factor
        if factor == 1:
            return
        for group in optimizer.param_groups:
            self._before.append((group, group["lr"]))
            group["lr"] = group["lr"] * factor

    def _restore(self, *_: Any) -> None:
        for group, rate in self._before:
            group["lr"] = rate
        self._before.clear()


def _innermost(optimizer: Any) -> Any:
    """What a wrapper, as accelerate's, has inside: it may be an Optimizer too, but has no hooks."""
    while hasattr(optimizer, "optimizer"):
        optimizer = optimizer.optimizer
    return optimizer
