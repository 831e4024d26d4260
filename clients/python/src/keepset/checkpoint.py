"""Where a training stands in its run, as plain values that a checkpoint can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keepset.epoch_lengths import EpochLengths

_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Where a training stands: the same on every rank, as long as all ranks report equally many samples."""

    run_id: str
    epoch: int
    position: int
    """Samples of the epoch that each rank has reported."""
    world_size: int
    generation: int
    """The run's life that it was made in; 0 before the first plan."""
    digest: str
    """SHA-256 of the epoch's order in hexadecimal; empty where no sample of it was reported."""
    kept_count: int = 0
    """Samples that the epoch keeps, over all ranks; 0 where no sample of it was reported."""
    is_unscored: bool = False
    """Whether samples that the epoch leaves out are still to be scored by the rank that it was made on."""
    export: bytes | None = None
    """The run's whole state."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without `export`."""
        return {
            "version": _VERSION,
            "run_id": self.run_id,
            "epoch": self.epoch,
            "position": self.position,
            "world_size": self.world_size,
            "generation": self.generation,
            "digest": self.digest,
            "kept_count": self.kept_count,
            "is_unscored": self.is_unscored,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any], export: bytes | None) -> Checkpoint:
        """The reverse of `to_dict`. Raises ValueError for a state that this version cannot read."""
        version = state.get("version")
        if version != _VERSION:
            raise ValueError(
                f"the sampler's state has version {version}, this keepset reads {_VERSION}: load it with the "
                f"keepset that saved it"
            )
        try:
            position = int(state["position"])
            return cls(
                run_id=str(state["run_id"]),
                epoch=int(state["epoch"]),
                position=position,
                world_size=int(state["world_size"]),
                generation=int(state["generation"]),
                digest=str(state["digest"]),
                # A state that was taken back to the start of an epoch may have the count of another one.
                kept_count=int(state.get("kept_count", 0)) if position > 0 else 0,
                is_unscored=position > 0 and bool(state.get("is_unscored", False)),
                export=export,
            )
        except KeyError as error:
            raise ValueError(f"the sampler's state has no {error}: pass what sampler.state_dict() returned") from None

    def next_epoch(self, lengths: EpochLengths) -> int:
        """The epoch that is trained next: the one after the checkpoint's where that was trained to its end."""
        return self.epoch + self._is_at_end(lengths)

    def start_position(self, lengths: EpochLengths, world_size: int) -> int:
        """The position at which each of `world_size` ranks goes on in the checkpoint's epoch, at most its end. Where
        the world size changed and does not divide what was trained, fewer than `world_size` samples are trained again.
        """
        if self._is_at_end(lengths):
            return self.position_count(lengths, world_size)
        if self.position == 0:
            return 0
        return min(self.position * self.world_size // world_size, self.position_count(lengths, world_size))

    def position_count(self, lengths: EpochLengths, world_size: int) -> int:
        """Positions of each of `world_size` ranks in the checkpoint's epoch. Raises ValueError where they are not
        known: with some policies, before it was planned.
        """
        kept_count = self.kept_count or lengths.kept_count(self.epoch)
        return lengths.share_out(kept_count, world_size)

    def _is_at_end(self, lengths: EpochLengths) -> bool:
        if self.position == 0 and not lengths.is_known(self.epoch):
            return False
        return self.position >= self.position_count(lengths, self.world_size)
