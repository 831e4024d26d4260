"""What is compared: a policy, with the settings that combine with every policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keepset

POLICIES: dict[str, Callable[[], keepset.Policy]] = {
    "static_random": keepset.StaticRandom,
    "random": keepset.Random,
    "epsilon_greedy": keepset.EpsilonGreedy,
    "ucb": keepset.UCB,
    "order_dp": keepset.OrderDP,
}

TAIL_SHARE = 0.125


@dataclass(frozen=True)
class Method:
    """`full`, `full-short` (everything, for as many steps as a pruned arm has), or a policy: `ucb`, or `ucb+tail`."""

    name: str

    def __post_init__(self) -> None:
        base, *options = self.name.split("+")
        known = ["full", "full-short", *POLICIES]
        if base not in known:
            raise ValueError(f"method {self.name!r}: {base!r} is none of {', '.join(known)}")
        wrong = [option for option in options if option != "tail" or base.startswith("full")]
        if wrong:
            raise ValueError(f"method {self.name!r}: {wrong[0]!r} cannot be added; what can be is tail, to a policy")

    @property
    def is_pruned(self) -> bool:
        """Whether it leaves samples out."""
        return not self.name.startswith("full")

    def policy(self) -> keepset.Policy:
        """A new policy with its defaults."""
        return POLICIES[self.name.split("+")[0]]() if self.is_pruned else keepset.Full()

    def tail_epochs(self, epochs: int) -> int:
        """Last epochs that train on everything."""
        return max(1, round(TAIL_SHARE * epochs)) if "+tail" in self.name else 0
