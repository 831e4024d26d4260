"""The Hugging Face Trainer in two processes: they train what a loop by hand does with batches of twice the size."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from transformers_training import make_data, make_model, make_sampler, train_plainly

from support.sampler_process import SamplerProcess
from support.torchrun import torchrun

PROGRAM = Path(__file__).with_name("transformers_program.py")
COUNT = 96
KEPT = [96, 24, 72, 48]
STEPS = sum(KEPT) // 12


def test_two_ranks_train_as_one_also_after_a_break(sampler: SamplerProcess, run_id: str, tmp_path: Path) -> None:
    one = make_sampler(sampler.address, f"{run_id}-one", count=COUNT, position_multiple=12)
    model = make_model()
    trained, rates = train_plainly(one, model, make_data(COUNT), batch_size=6, accumulation=2)
    one.close()

    # The break is in the middle of epoch 2.
    settings = {"count": COUNT, "batch_size": 3, "accumulation": 2, "stop": 11}
    settings |= {"address": sampler.address, "run_id": run_id}
    torchrun(PROGRAM, [json.dumps(settings), str(tmp_path)], 2)
    ranks = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2)]

    assert [rank["steps"] for rank in ranks] == [[11, STEPS, STEPS]] * 2
    assert len(ranks[0]["trained"][0]["2"]) == 6
    for epoch, kept in enumerate(KEPT):
        both = Counter(index for rank in ranks for part in rank["trained"] for index in part.get(str(epoch), []))
        assert both == Counter(trained[epoch]), "no sample twice, none lost"
        assert len(both) == kept
    assert ranks[0]["rates"] == pytest.approx(rates)  # the log of the checkpoint goes on
    assert ranks[0]["epochs_evaluated"][-2:] == [3, 4]
    for name, values in torch.load(tmp_path / "weights.pt", weights_only=True).items():
        torch.testing.assert_close(values, model.state_dict()[name], msg=name)
