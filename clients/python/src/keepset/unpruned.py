"""Going on without a sampler: every sample, in an order of one's own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from keepset.epoch_lengths import EpochLengths
from keepset.world import World


class UnprunedPlan:
    """An epoch over the whole data set, for a training that outlives its sampler. Its order depends on seed and epoch
    alone, so that ranks which make it share nothing twice.
    """

    reason = "unpruned"
    start_position = 0
    learning_rate_factor = 1.0

    def __init__(self, lengths: EpochLengths, seed: int, epoch: int, world: World, saving: float = 0.0) -> None:
        """`saving`: share of the data set left out so far, this epoch included."""
        self.saving = saving
        order = np.random.Generator(np.random.PCG64([seed, epoch])).permutation(lengths.sample_count)
        own = order[world.rank :: world.world_size].astype(np.uint32)
        self.epoch = epoch
        self.kept_count = self.sample_count = lengths.sample_count
        self.position_count = lengths.share_out(lengths.sample_count, world.world_size)
        # numpy repeats an array that is too short from its start; one that is too long loses its end.
        self.indices: npt.NDArray[np.uint32] = np.resize(own, self.position_count)
