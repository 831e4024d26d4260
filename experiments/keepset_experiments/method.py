"""What is compared: a policy, with settings that combine with every policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keepset

from .recipe import Recipe
from .reference import RULES


@dataclass(frozen=True)
class Choice:
    """A policy of the service, as it is compared."""

    policy: Callable[[Recipe, float], keepset.Policy]
    """It, for a recipe and a prune rate."""
    has_own_period: bool = False
    """Whether it says itself how often it selects; else the recipe does."""
    takes_rate: bool = True
    """Whether a prune rate means something to it; else it decides itself how many samples it keeps."""


POLICIES: dict[str, Choice] = {
    "static_random": Choice(lambda _, __: keepset.StaticRandom()),
    "random": Choice(lambda _, __: keepset.Random()),
    "epsilon_greedy": Choice(lambda _, __: keepset.EpsilonGreedy()),
    "ucb": Choice(lambda _, __: keepset.UCB()),
    "backlog": Choice(lambda _, __: keepset.Backlog()),
    "order_dp": Choice(lambda _, __: keepset.OrderDP()),
    "rs2": Choice(lambda _, __: keepset.RS2(), has_own_period=True),
    # With r = p all samples would be below the threshold, and it would draw from all alike.
    "info_batch": Choice(lambda _, rate: keepset.InfoBatch(r=math.sqrt(rate)), has_own_period=True),
    "info_batch-mean": Choice(lambda _, __: keepset.InfoBatch(), has_own_period=True, takes_rate=False),
    "el2n": Choice(lambda recipe, _: keepset.StaticScore(metric="el2n", observe_epochs=recipe.el2n_epochs)),
    "forgetting": Choice(
        lambda recipe, _: keepset.StaticScore(metric="forgetting", observe_epochs=recipe.forgetting_epochs)
    ),
    "importance": Choice(lambda _, __: keepset.Importance()),
    "selective_backprop": Choice(lambda _, __: keepset.SelectiveBackprop()),
    "seta": Choice(lambda _, __: keepset.SeTa(), has_own_period=True, takes_rate=False),
    "repb": Choice(lambda _, __: keepset.RePB(), has_own_period=True, takes_rate=False),
    "kakurenbo": Choice(lambda _, __: keepset.Kakurenbo(), has_own_period=True),
    "ies": Choice(lambda _, __: keepset.IES(), has_own_period=True, takes_rate=False),
}

OPTIONS: dict[str, Callable[[Recipe], Mapping[str, Any]]] = {
    "tail": lambda recipe: {"tail_epochs": max(1, round(recipe.epochs / 8))},
    "notail": lambda _: {"tail_epochs": 0},
    "weights": lambda _: {"weights": "on"},
    "meanweight": lambda _: {"weights": "on"},
    "noweights": lambda _: {"weights": "off"},
    "scored": lambda _: {"score_left_out": True},
    "period1": lambda _: {"selection_period": 1},
    "batchloss": lambda _: {"score_source": "batch_loss"},
}
"""Settings of the run that an option gives."""

EXCLUSIVE = ({"tail", "notail"}, {"weights", "meanweight", "noweights", "batchloss"})
"""Options of which one is enough."""

REFERENCES = {f"reference-{rule}": rule for rule in RULES}
"""The rules that this process follows itself, without the service."""


@dataclass(frozen=True)
class Method:
    """`full`, `full-short` (everything, for as many steps as a pruned arm has), a policy: `ucb`, or one with options:
    `ucb+tail+weights`, or the reference of one: `reference-ucb`.
    """

    name: str

    def __post_init__(self) -> None:
        known = ["full", "full-short", *POLICIES, *REFERENCES]
        if self.base not in known:
            raise ValueError(f"method {self.name!r}: {self.base!r} is none of {', '.join(known)}")
        wrong = [option for option in self.options if option not in OPTIONS or self.base not in POLICIES]
        if wrong:
            raise ValueError(
                f"method {self.name!r}: {wrong[0]!r} cannot be added; what can be is {', '.join(OPTIONS)}, to a policy"
            )
        for group in EXCLUSIVE:
            both = [option for option in self.options if option in group]
            if len(both) > 1:
                raise ValueError(f"method {self.name!r}: {both[0]!r} and {both[1]!r} do not go together")

    @property
    def base(self) -> str:
        """It without its options."""
        return base_of(self.name)

    @property
    def options(self) -> list[str]:
        """What is added to the policy."""
        return self.name.split("+")[1:]

    @property
    def is_pruned(self) -> bool:
        """Whether it leaves samples out."""
        return not self.name.startswith("full")

    @property
    def divides_by_mean_weight(self) -> bool:
        """Whether a loss is divided by the mean weight of its plan. The mean of weight x loss over a batch is N/k times
        the mean loss in expectation: without this an arm with weights also has a learning rate that is larger by that.
        """
        return "meanweight" in self.options

    @property
    def reference_rule(self) -> str | None:
        """The rule of a reference; None: the service chooses."""
        return REFERENCES.get(self.name)

    def settings(self, recipe: Recipe, prune_rate: float) -> dict[str, Any]:
        """What `keepset.Sampler` gets beside the samples, the seed and the names."""
        if not self.is_pruned:
            return {"policy": keepset.Full(), "prune_rate": 0.0, "epochs": recipe.epochs}
        choice = POLICIES[self.base]
        settings: dict[str, Any] = {
            "policy": choice.policy(recipe, prune_rate),
            "prune_rate": prune_rate if choice.takes_rate else 0.0,
            "epochs": recipe.epochs,
            "selection_period": None if choice.has_own_period else recipe.selection_period,
        }
        for option in self.options:
            settings.update(OPTIONS[option](recipe))
        return settings


def base_of(name: str) -> str:
    """The name of a method without its options."""
    return name.split("+")[0]


def takes_rate(name: str) -> bool:
    """Whether a prune rate means something to the method of that name."""
    base = base_of(name)
    return base != "full" and (base not in POLICIES or POLICIES[base].takes_rate)
