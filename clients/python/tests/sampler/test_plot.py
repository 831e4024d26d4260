"""The picture of a run that has forgotten its first selections."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import keepset
from support.sampler_process import SamplerProcess

N, EPOCHS = 8, 270


def test_leaves_out_what_the_sampler_has_forgotten(sampler: SamplerProcess, run_id: str) -> None:
    settings: dict[str, Any] = {"policy": keepset.InfoBatch(r=0.9), "selection_period": 1, "warmup_epochs": 1}
    made = keepset.Sampler(N, address=sampler.address, run_id=run_id, **settings)
    counts: list[int] = []
    for epoch in range(EPOCHS):
        made.set_epoch(epoch)
        index = list(made)
        counts.append(len(index))
        made.report(index, torch.arange(float(N))[index])
    made.flush()
    selections = made.run.client.selections(run_id)
    forgotten = EPOCHS - 1 - len(selections)
    assert forgotten > 0 and max(counts[1:]) < N
    kept, saving = (np.asarray(line.get_ydata()) for line in made.plot().axes[0].lines)
    assert kept[0] == 100 and np.isnan(kept[1 : forgotten + 1]).all() and np.isnan(saving[:forgotten]).all()
    known = slice(forgotten + 1, None)
    np.testing.assert_allclose(kept[known], 100 * np.array(counts[known]) / N)
    savings = 100 - 100 * np.cumsum(counts) / N / np.arange(1, EPOCHS + 1)
    np.testing.assert_allclose(saving[known], savings[known], atol=1e-9)
