"""Runs the first example of the installed package's description, and says what it ran on in a line of JSON."""

from __future__ import annotations

import json
import os
import re
from importlib.metadata import metadata
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset

import keepset
from keepset.embedded import start

torch.manual_seed(0)
model = torch.nn.Linear(16, 10)
names: dict[str, Any] = {
    "DataLoader": DataLoader,
    "F": torch.nn.functional,
    "dataset": TensorDataset(torch.randn(512, 16), torch.randint(0, 10, (512,))),
    "model": model,
    "optimizer": torch.optim.SGD(model.parameters(), lr=0.01),
}
example = re.search(r"^```python\n(.*?)^```$", str(metadata("keepset").json["description"]), re.MULTILINE | re.DOTALL)
assert example is not None
exec(example[1], names)

# The same sampler: all parts of a process share it.
with start() as embedded:
    pid = json.loads((embedded.data_dir / "embedded.json").read_text())["pid"]
    facts = {
        "keepset": keepset.__file__,
        "data_dir": str(embedded.data_dir),
        "node": os.readlink(f"/proc/{pid}/exe"),
        "saving": names["sampler"].saving,
    }
print(json.dumps(facts))
