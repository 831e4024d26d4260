"""Ranks that find their run at the same moment."""

from __future__ import annotations

from typing import Any

from keepset.attach import attach
from keepset.client import Client, Run, connect
from keepset.policies import Random
from keepset.world import World
from support.sampler_process import SamplerProcess

SETTINGS: dict[str, Any] = {"sample_count": 10, "policy": Random(), "epochs": 3}


class OvertakenClient(Client):
    """Another rank rewinds the run as soon as this one has found it."""

    def create_run(self, run_id: str | None = None, **settings: Any) -> Run:
        run = super().create_run(run_id, **settings)
        self.rewind_run(run.run_id, 0, run.generation)
        return run


def test_a_rank_goes_on_in_the_generation_that_another_one_began(sampler: SamplerProcess, run_id: str) -> None:
    with connect(sampler.address) as client:
        client.create_run(run_id, **SETTINGS).plan_epoch(0)
        overtaken = OvertakenClient(client._connection)
        attachment = attach(
            overtaken, run_id, SETTINGS, epoch=0, world=World(0, 1), checkpoint=None, start_position=0, timeout=5
        )
        assert attachment.run.generation == 2 == client.get_run(run_id).generation
        assert attachment.run.plan_epoch(0).generation == 2
