"""Several ranks, as real processes with a gloo group."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import keepset
from support.sampler_process import SamplerProcess
from support.torchrun import program_environment, torchrun

PROGRAM = Path(__file__).parent / "ddp_program.py"
N = 101


def train(ranks: int, out: Path, **settings: Any) -> list[dict[str, Any]]:
    """Trains with so many ranks; what each of them saw."""
    out.mkdir(exist_ok=True)
    settings = {"count": N, "batch_size": 8, "epochs": 3, **settings}
    torchrun(PROGRAM, [json.dumps(settings), str(out)], ranks)
    return [json.loads((out / f"rank{rank}.json").read_text()) for rank in range(ranks)]


def test_two_ranks_share_each_epoch_out(sampler: SamplerProcess, run_id: str, tmp_path: Path) -> None:
    seen = train(2, tmp_path, address=sampler.address, run_id=run_id, workers=1)
    assert seen[0]["lengths"] == seen[1]["lengths"] == [51, 25, 25]
    for epoch, kept in enumerate([101, 50, 50]):
        both = Counter(seen[0]["trained"][epoch]) + Counter(seen[1]["trained"][epoch])
        assert len(both) == kept
        # 101 samples on two ranks: one of them trains its first sample twice.
        assert sum(both.values()) == 2 * seen[0]["lengths"][epoch]
    with keepset.connect(sampler.address) as client:
        assert client.get_run(run_id).progress.observations == 201


def test_fsdp_takes_the_same_path(sampler: SamplerProcess, run_id: str, tmp_path: Path) -> None:
    seen = train(2, tmp_path, address=sampler.address, run_id=run_id, fsdp=True)
    assert seen[0]["steps"] == seen[1]["steps"] == 7 + 4 + 4
    assert len({*seen[0]["trained"][1], *seen[1]["trained"][1]}) == 50


@pytest.mark.parametrize("settings", [{"score_batches": [8, 3]}, {"score_batches": [5, 5], "fsdp": True}])
def test_ranks_score_what_was_left_out(
    sampler: SamplerProcess, run_id: str, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """With DDP each at its own pace. With FSDP one has a batch more than the other, and both make as many."""
    seen = train(2, tmp_path, address=sampler.address, run_id=run_id, **settings)
    # Nothing is selected after the last epoch.
    assert [rank["scored"] for rank in seen] == [[0, 26, 0], [0, 25, 0]]
    with keepset.connect(sampler.address) as client:
        assert client.get_run(run_id).progress.scored == 51
    first, second = ({index for rank in seen for index in rank["trained"][epoch]} for epoch in (1, 2))
    assert not first & second, "what was scored came back, its losses being larger"


def test_a_rank_with_nothing_to_score_makes_the_forward_passes_of_fsdp(
    sampler: SamplerProcess, run_id: str, tmp_path: Path
) -> None:
    settings = {"score_batches": [5, 5], "fsdp": True, "prune_rate": 0.009}
    seen = train(2, tmp_path, address=sampler.address, run_id=run_id, **settings)
    assert [rank["scored"] for rank in seen] == [[0, 1, 0], [0, 0, 0]]
    with keepset.connect(sampler.address) as client:
        progress = client.get_run(run_id).progress
    assert (progress.scored, progress.observations) == (1, 101 + 100 + 100 + 1)


def test_the_same_samples_are_kept_with_any_number_of_ranks(
    sampler: SamplerProcess, run_id: str, tmp_path: Path
) -> None:
    kept = []
    for ranks in (1, 2):
        seen = train(ranks, tmp_path / str(ranks), address=sampler.address, run_id=f"{run_id}-{ranks}")
        kept.append([sorted({index for rank in seen for index in rank["trained"][epoch]}) for epoch in range(3)])
    assert kept[0] == kept[1]


def test_whole_optimizer_steps_with_accumulation(sampler: SamplerProcess, run_id: str, tmp_path: Path) -> None:
    settings = {"accumulation": 3, "batch_size": 4, "position_multiple": 12}
    seen = train(2, tmp_path, address=sampler.address, run_id=run_id, **settings)
    assert [rank["lengths"] for rank in seen] == [[60, 36, 36]] * 2
    assert [rank["steps"] for rank in seen] == [11, 11]


@pytest.mark.parametrize("after", [1, 2])
def test_goes_on_with_another_number_of_ranks(sampler: SamplerProcess, run_id: str, tmp_path: Path, after: int) -> None:
    """An elastic restart in the middle of epoch 1, from 2 ranks to 1 or back to 2."""
    settings = {"count": 96, "address": sampler.address, "run_id": run_id}
    whole = train(1, tmp_path / "twin", **{**settings, "run_id": f"{run_id}-twin"})
    before = train(2, tmp_path / "before", **settings, stop_at=[1, 2])
    state = json.loads((tmp_path / "before" / "state.json").read_text())
    assert (state["epoch"], state["position"], state["world_size"]) == (1, 16, 2)
    resumed = train(after, tmp_path / "after", **settings, state=state, first_epoch=1)
    of_epoch = Counter(
        index for part in (before, resumed) for rank in part for index in rank["trained"][-1 if part is before else 0]
    )
    assert of_epoch == Counter(whole[0]["trained"][1]), "no sample twice, none lost"
    if after == 2:
        kept = sorted(index for rank in resumed for index in rank["trained"][1])
        assert kept == sorted(whole[0]["trained"][2])


def test_names_the_rank_that_died(sampler: SamplerProcess, run_id: str) -> None:
    """Rank 1 dies in mid-epoch, and no launcher is there to end rank 0: it does not wait for ever."""
    settings = {"count": N, "address": sampler.address, "run_id": run_id, "timeout": 3}
    command = [sys.executable, str(PROGRAM.with_name("dying_program.py")), json.dumps(settings)]
    ranks = [
        subprocess.Popen(
            command,
            env={**program_environment(), "RANK": str(rank), "WORLD_SIZE": "2"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [rank.communicate(timeout=60)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [1, 9]
    assert re.search(r"DeadlineError: .*\brank 1\b", errors[0]), errors[0]


def test_ranks_of_one_machine_share_an_embedded_sampler(run_id: str, tmp_path: Path) -> None:
    seen = train(2, tmp_path, data_dir=str(tmp_path / "keepset-data"), run_id=run_id)
    assert seen[0]["lengths"] == [51, 25, 25]
    assert not set(seen[0]["trained"][1]) & set(seen[1]["trained"][1])


def test_an_embedded_sampler_cannot_be_shared_by_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    sampler = keepset.Sampler(N, data_dir=tmp_path)
    with pytest.raises(ValueError, match=r"the 4 ranks run on several machines.*address="):
        iter(sampler)
