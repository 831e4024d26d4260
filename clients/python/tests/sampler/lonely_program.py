"""A rank that says it is one of two; the other one never comes."""

from __future__ import annotations

import json
import sys

import keepset

settings = json.loads(sys.argv[1])
sampler = keepset.Sampler(
    settings["count"],
    rank=0,
    world_size=2,
    address=settings["address"],
    run_id=settings["run_id"],
    timeout=settings["timeout"],
)
list(sampler)
