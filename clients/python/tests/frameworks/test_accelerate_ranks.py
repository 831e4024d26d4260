"""accelerate with two processes, as real ones with a gloo group."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support.sampler_process import SamplerProcess
from support.torchrun import torchrun

PROGRAM = Path(__file__).parent / "accelerate_program.py"
SETTINGS = {"count": 96, "batch_size": 4, "epochs": 3, "accumulation": 2}


def train(ranks: int, out: Path, **settings: Any) -> list[dict[str, Any]]:
    """Trains with so many ranks; what each of them saw."""
    out.mkdir(exist_ok=True)
    torchrun(PROGRAM, [json.dumps(SETTINGS | settings), str(out)], ranks)
    return [json.loads((out / f"rank{rank}.json").read_text()) for rank in range(ranks)]


def of_epoch(seen: list[dict[str, Any]], place: int) -> Counter[int]:
    """How often each sample was trained, over all ranks, in the epoch at that place of what was seen."""
    return Counter(index for rank in seen for index in rank["trained"][place])


@pytest.fixture(scope="module")
def undisturbed(sampler: SamplerProcess, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """A training of two ranks that nothing happened to."""
    out = tmp_path_factory.mktemp("undisturbed")
    return train(2, out, address=sampler.address, run_id="accelerate-undisturbed", refusals=True)


def test_two_ranks_share_each_epoch_out(undisturbed: list[dict[str, Any]]) -> None:
    assert [rank["lengths"] for rank in undisturbed] == [[12, 6, 6]] * 2
    for epoch, kept in enumerate([96, 48, 48]):
        both = of_epoch(undisturbed, epoch)
        assert len(both) == sum(both.values()) == kept, "no sample twice, none lost"
    assert {name for rank in undisturbed for name in rank["index_types"]} == {"uint32"}


def test_ranks_make_the_steps_that_the_schedule_counts_on(undisturbed: list[dict[str, Any]]) -> None:
    for rank in undisturbed:
        assert rank["steps"] == rank["total_steps"] == 12
        assert rank["rate"] == pytest.approx(0)
    assert undisturbed[0]["weight"] == undisturbed[1]["weight"]


def test_goes_on_from_the_middle_of_an_epoch(
    undisturbed: list[dict[str, Any]], sampler: SamplerProcess, run_id: str, tmp_path: Path
) -> None:
    settings = {"address": sampler.address, "run_id": run_id}
    before = train(2, tmp_path, **settings, stop_after=[1, 2])
    resumed = train(2, tmp_path, **settings, resume=str(tmp_path / "checkpoint"))
    assert len(list((tmp_path / "checkpoint").glob("custom_checkpoint_*"))) == 1, "one file for all ranks"
    assert [rank["lengths"] for rank in resumed] == [[4, 6]] * 2
    assert of_epoch(before, 1) + of_epoch(resumed, 0) == of_epoch(undisturbed, 1)
    assert of_epoch(resumed, 1) == of_epoch(undisturbed, 2)
    for rank in (0, 1):
        assert resumed[rank]["weight"] == undisturbed[rank]["weight"]
        assert resumed[rank]["rate"] == pytest.approx(0)


def test_refuses_what_would_share_out_twice_or_not_at_all(undisturbed: list[dict[str, Any]]) -> None:
    for rank in undisturbed:
        lone, split, dispatch = rank["refusals"]
        assert lone.startswith("the sampler shares the samples out to 1 ranks, accelerate runs 2 processes")
        assert split.startswith("the accelerator has split_batches=True, but the 2 ranks")
        assert dispatch.startswith("the accelerator has dispatch_batches=True, but the 2 ranks")
