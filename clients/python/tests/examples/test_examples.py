"""Every example runs as its docstring says and does what it is there to show."""

from __future__ import annotations

import re

import pytest
from example_files import NEEDS_ADDRESS, SmallCheckout, documented_commands, example_paths

from support.sampler_process import SamplerProcess

# Several programs one after the other, on a machine that may be busy.
pytestmark = pytest.mark.timeout(600)

EXPECTED = {
    "examples/pytorch/plain.py": [r"epoch 8/8: kept 50%, .*saving 43.8%"],
    "examples/pytorch/ddp.py": [
        r"epoch 6/6: kept 50%, .*saving 41.7%",
        r"rank 0 of 2: (\d+) of \1 optimizer steps",
        r"rank 1 of 2: (\d+) of \1 optimizer steps",
    ],
    "examples/pytorch/amp.py": [
        r"epoch 6/6: kept 50%, .*saving 41.7%",
        r"trained in (bfloat16 on cpu|float16 on cuda)",
    ],
    "examples/pytorch/compiled.py": [r"epoch 6/6: kept 50%, .*saving 41.7%", "216 steps, compiled once"],
    "examples/pytorch/detection.py": [r"epoch 10/10: kept 60%, .*saving 36.0%"],
    "examples/pytorch/iterations.py": [r"iteration 500/500: epoch 9, kept 50%, .*saving 45.0%"],
    "examples/pytorch/accelerate_loop.py": [
        "rank 0 of 2: the learning rate is now 0.0000",
        "rank 1 of 2: the learning rate is now 0.0000",
        r"epoch 3/6: .*\nrank 0 of 1: the learning rate is now 0.0214\nepoch 4/6: kept 50%, .*saving 37.5%",
        r"epoch 6/6: kept 50%, .*saving 41.7%\nrank 0 of 1: the learning rate is now 0.0000",
    ],
    "examples/pytorch/text_classification.py": [
        "rank 0 of 1: 251 of 440 steps, the learning rate is now 0.002148",
        r"of 440 steps.*\nepoch 4/6: kept 50%, .*saving 37.5%",
        r"epoch 6/6: kept 50%, .*saving 41.7%(?s:.*)rank 0 of 1: 440 of 440 steps, the learning rate is now 0.000000",
    ],
    "examples/pytorch/lightning_fit.py": [
        "rank 0 of 2: 64 of 112 steps, the learning rate is now 0.0214",
        r"epoch 3/6: (?s:.*)epoch 4/6: kept 50%, .*saving 37.5%(?s:.*)epoch 6/6: kept 50%, .*saving 41.7%",
        "rank 0 of 2: 112 of 112 steps, the learning rate is now 0.0000",
        "rank 1 of 2: 112 of 112 steps, the learning rate is now 0.0000",
    ],
    "examples/jax/train.py": [
        r"epoch 12/12: kept 50%, .*saving 45.8%",
        "19500 losses counted in 390 reports",
        r"^(?s:(?!.*compiling.*compiling).*compiling for batches of 50)",
    ],
    "examples/any_trainer/train.py": [r"epoch 10/10: kept 50%, .*saving 45.0%", "22000 losses counted in 351 reports"],
}
"""What an example prints that shows that it did what it is there for."""


def percentages(name: str, output: str) -> list[float]:
    """Every percentage that follows a name in what was printed."""
    return [float(number) for number in re.findall(rf"{name}\D{{0,12}}?([0-9.]+) ?%", output)]


def test_every_example_says_how_to_run_it() -> None:
    assert all(documented_commands(path) for path in example_paths())
    assert set(EXPECTED) <= set(example_paths())


@pytest.mark.parametrize("path", example_paths())
def test_trains_as_its_docstring_says(checkout: SmallCheckout, sampler: SamplerProcess, path: str) -> None:
    address = f" --address {sampler.address}" if path in NEEDS_ADDRESS else ""
    output = "".join(checkout.run(command + address) for command in documented_commands(path))
    savings, accuracies = percentages("saving", output), percentages("accuracy", output)
    assert savings and savings[-1] > 20, output
    assert not accuracies or accuracies[-1] > max(accuracies[0], 40), output
    assert "Warning" not in output, output
    for pattern in EXPECTED.get(path, []):
        assert re.search(pattern, output), f"{pattern!r} is not in\n{output}"
