"""One of two ranks without a process group; rank 1 dies in the middle of epoch 1, without a word."""

from __future__ import annotations

import json
import os
import sys

import keepset
from support.training import losses_of, make_loader

settings = json.loads(sys.argv[1])
sampler = keepset.Sampler(
    settings["count"],
    epochs=3,
    selection_period=1,
    address=settings["address"],
    run_id=settings["run_id"],
    timeout=settings["timeout"],
)
loader = make_loader(sampler, settings["count"])
for epoch in range(3):
    sampler.set_epoch(epoch)
    for number, (index, _) in enumerate(loader):
        if (epoch, number, sampler.rank) == (1, 2, 1):
            os._exit(9)
        sampler.report(index, losses_of(index, epoch))
