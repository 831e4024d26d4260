"""What is compared: a policy, with the settings that combine with every policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keepset

from .reference import RULES

POLICIES: dict[str, Callable[[], keepset.Policy]] = {
    "static_random": keepset.StaticRandom,
    "random": keepset.Random,
    "epsilon_greedy": keepset.EpsilonGreedy,
    "ucb": keepset.UCB,
    "order_dp": keepset.OrderDP,
}

REFERENCES = {f"reference-{rule}": rule for rule in RULES}
"""The rules that this process follows itself, without the service."""

TAIL_SHARE = 0.125


@dataclass(frozen=True)
class Method:
    """`full`, `full-short` (everything, for as many steps as a pruned arm has), a policy: `ucb`, or `ucb+tail`, or the
    reference of one: `reference-ucb`.
    """

    name: str

    def __post_init__(self) -> None:
        base, *options = self.name.split("+")
        known = ["full", "full-short", *POLICIES, *REFERENCES]
        if base not in known:
            raise ValueError(f"method {self.name!r}: {base!r} is none of {', '.join(known)}")
        wrong = [option for option in options if option != "tail" or base not in POLICIES]
        if wrong:
            raise ValueError(f"method {self.name!r}: {wrong[0]!r} cannot be added; what can be is tail, to a policy")

    @property
    def is_pruned(self) -> bool:
        """Whether it leaves samples out."""
        return not self.name.startswith("full")

    @property
    def reference_rule(self) -> str | None:
        """The rule of a reference; None: the service chooses."""
        return REFERENCES.get(self.name)

    def policy(self) -> keepset.Policy:
        """A new policy of the service with its defaults."""
        return POLICIES[self.name.split("+")[0]]() if self.is_pruned else keepset.Full()

    def tail_epochs(self, epochs: int) -> int:
        """Last epochs that train on everything."""
        return max(1, round(TAIL_SHARE * epochs)) if "+tail" in self.name else 0
