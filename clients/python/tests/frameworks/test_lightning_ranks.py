"""Lightning with two processes, as real ones with a gloo group."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support.sampler_process import SamplerProcess
from support.torchrun import program_environment, torchrun

PROGRAM = Path(__file__).parent / "lightning_program.py"
# 101 samples on two ranks: 51 positions in epoch 0, 25 in the others. In batches of 4 and steps of 2 batches, the last
# batch and the last step of each epoch are odd.
SETTINGS = {"count": 101, "batch_size": 4, "epochs": 3, "accumulation": 2}
STEPS = [7, 4, 4]

Seen = list[dict[str, Any]]
"""What each rank saw."""


def seen_in(out: Path) -> Seen:
    return [json.loads((out / f"rank{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture(scope="module")
def undisturbed(sampler: SamplerProcess, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """A training that nothing happened to. Lightning starts the other rank itself, by the same command, when this one
    has its sampler already.
    """
    out = tmp_path_factory.mktemp("undisturbed")
    settings = SETTINGS | {"address": sampler.address, "run_id": "lightning-undisturbed"}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), json.dumps(settings), str(out)],
        env=program_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout
    return seen_in(out)


@pytest.fixture(scope="module")
def died(sampler: SamplerProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoints of a training whose ranks died in the middle of epoch 1, with the losses of two batches that no
    checkpoint knows of.
    """
    out = tmp_path_factory.mktemp("died")
    settings = SETTINGS | {"address": sampler.address, "run_id": "lightning-died", "die_at": [1, 5]}
    output = torchrun(PROGRAM, [json.dumps(settings), str(out)], 2, check=False)
    assert "as it was told" in output
    return out


def resume(died: Path, step: int, out: Path, sampler: SamplerProcess) -> Seen:
    """Goes on from the checkpoint that was made after so many optimizer steps."""
    (checkpoint,) = died.glob(f"epoch=*-step={step}.ckpt")
    settings = SETTINGS | {"address": sampler.address, "run_id": "lightning-died", "resume": str(checkpoint)}
    torchrun(PROGRAM, [json.dumps(settings | {"workers": 1}), str(out)], 2)
    return seen_in(out)


def of_epoch(seen: Seen, epoch: int) -> Counter[int]:
    """How often each sample was trained in an epoch, over all ranks."""
    return Counter(index for rank in seen for index in rank["trained"][str(epoch)])


def test_two_ranks_share_each_epoch_out(undisturbed: Seen) -> None:
    assert [[len(rank["trained"][str(epoch)]) for epoch in range(3)] for rank in undisturbed] == [[51, 25, 25]] * 2
    for epoch, kept in enumerate([101, 50, 50]):
        both = of_epoch(undisturbed, epoch)
        assert len(both) == kept, "none is lost"
        assert sum(both.values()) - kept == kept % 2, "none comes twice, but for the one that evens out the ranks"


def test_ranks_make_the_steps_that_the_schedule_counts_on(undisturbed: Seen) -> None:
    for rank in undisturbed:
        assert rank["steps"] == sum(STEPS)
        assert rank["rate"] == pytest.approx(0, abs=1e-9)
        assert rank["validations"] == 1 + 3, "the sanity check's, and one for each epoch"
    assert undisturbed[0]["weight"] == undisturbed[1]["weight"]


def test_the_losses_of_all_ranks_are_recorded_at_the_end(undisturbed: Seen) -> None:
    for rank in undisturbed:
        assert (rank["state"], rank["observations"]) == ("finished", 101 + 50 + 50)


def check_goes_on(resumed: Seen, undisturbed: Seen, trained_before: int) -> None:
    """Every rank trains what is left of epoch 1, then epoch 2, as if nothing had happened."""
    for rank, whole in zip(resumed, undisturbed, strict=True):
        assert rank["trained"] == {"1": whole["trained"]["1"][trained_before:], "2": whole["trained"]["2"]}
        assert rank["steps"] == sum(STEPS)
        assert rank["weight"] == pytest.approx(whole["weight"])
        assert rank["rate"] == pytest.approx(0, abs=1e-9)


def test_goes_on_from_the_middle_of_an_epoch(
    undisturbed: Seen, died: Path, sampler: SamplerProcess, tmp_path: Path
) -> None:
    """Two steps of two batches of 4 are in the checkpoint."""
    check_goes_on(resume(died, STEPS[0] + 2, tmp_path, sampler), undisturbed, 16)


def test_goes_on_with_another_sampler_from_the_end_of_an_epoch(
    undisturbed: Seen, died: Path, file_sampler: SamplerProcess, tmp_path: Path
) -> None:
    """The checkpoint carries the run's whole state, with the losses of both ranks."""
    check_goes_on(resume(died, STEPS[0], tmp_path, file_sampler), undisturbed, 0)
