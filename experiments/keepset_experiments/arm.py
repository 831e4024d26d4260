"""One training of the comparison."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .cifar import SOURCES
from .method import Method, takes_rate
from .recipe import RECIPES


@dataclass(frozen=True)
class Arm:
    """What an arm is, and all that its result depends on but machine and versions."""

    data: str
    recipe: str
    method: str
    prune_rate: float
    """Of the comparison: `full` leaves nothing out, `full-short` has as many steps as an arm with this rate, and some
    policies decide themselves how many samples they keep."""
    seed: int
    samples: int | None = None
    """Training images; None: all."""

    def __post_init__(self) -> None:
        if self.data not in SOURCES:
            raise ValueError(f"data is {self.data!r}; it must be one of {', '.join(SOURCES)}")
        if self.recipe not in RECIPES:
            raise ValueError(f"recipe is {self.recipe!r}; it must be one of {', '.join(RECIPES)}")
        if not 0 < self.prune_rate < 1:
            raise ValueError(f"prune_rate is {self.prune_rate}; it must be above 0 and below 1")
        Method(self.method)

    @property
    def key(self) -> str:
        """A name that no other arm has, and that a run can have."""
        rate = f"-{round(100 * self.prune_rate)}" if takes_rate(self.method) else ""
        samples = "" if self.samples is None else f"-n{self.samples}"
        return f"{self.data}-{self.recipe}-{self.method.replace('+', '-')}{rate}{samples}-s{self.seed}"


def read_matrix(path: Path) -> list[Arm]:
    """The arms of a matrix, each once: `full` and what decides itself how many samples it keeps are the same for every
    rate. Those of a seed come together.

    A matrix is a JSON list of blocks; each field of `Arm` has a value or, by its plural, a list of values:

        [{"data": "cifar10", "recipe": "cpu", "methods": ["full", "ucb"], "prune_rates": [0.3, 0.5], "seeds": [0, 1]}]
    """
    arms: dict[str, Arm] = {}
    for block in json.loads(path.read_text()):
        for arm in _arms_of(block):
            arms.setdefault(arm.key, arm)
    return sorted(arms.values(), key=lambda arm: arm.seed)


def _arms_of(block: dict[str, Any]) -> Iterator[Arm]:
    names = list(Arm.__dataclass_fields__)
    singular = {f"{name}s": name for name in names if not name.endswith("s")}
    axes: dict[str, list[Any]] = {}
    for field, value in block.items():
        name = singular.get(field, field)
        if name not in names:
            raise ValueError(f"a block of the matrix has the field {field!r}; it can have {', '.join(names)}")
        axes[name] = value if field in singular else [value]
    for values in itertools.product(*axes.values()):
        yield Arm(**dict(zip(axes, values, strict=True)))


def fields_of(arm: Arm) -> dict[str, Any]:
    """The arm as a line of results has it."""
    return asdict(arm)
