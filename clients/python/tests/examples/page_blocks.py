"""Runs the Python blocks of a page, one after the other: `python page_blocks.py PAGE ADDRESS`.

Each block starts with what a reader has at hand: a data set, a model, an optimizer, a sampler and its loader, and
`ADDRESS`, that of a sampler elsewhere. What blocks make of these names is not there in the next one.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

import keepset

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def at_hand(address: str) -> dict[str, Any]:
    """The names that every block may use."""
    torch.manual_seed(0)
    dataset = TensorDataset(torch.randn(512, 16), torch.randint(0, 10, (512,)))
    model = torch.nn.Linear(16, 10)
    sampler = keepset.Sampler(dataset, epochs=5)
    return {
        "ADDRESS": address,
        "F": F,
        "DataLoader": DataLoader,
        "dataset": dataset,
        "keepset": keepset,
        "loader": DataLoader(keepset.indexed(dataset), batch_size=128, sampler=sampler),
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.01),
        "sampler": sampler,
        "torch": torch,
    }


def texts_at_hand() -> dict[str, Any]:
    """What a block about language may use besides: a data set of transformers' kind, and a model for it."""
    from datasets import Dataset
    from transformers import BertConfig, BertForSequenceClassification

    words = torch.randint(0, 50, (96, 8))
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return {
        "texts": Dataset.from_dict({"input_ids": words.tolist(), "labels": (words[:, 0] % 2).tolist()}),
        "classifier": BertForSequenceClassification(BertConfig(vocab_size=50, **sizes)),
    }


def run_blocks(page: Path, address: str) -> int:
    """Runs all blocks. Trains the sampler that each one leaves by a batch: then its settings were right, too."""
    text = page.read_text()
    blocks = list(_BLOCK.finditer(text))
    for block in blocks:
        first_line = text.count("\n", 0, block.start(1))
        names = at_hand(address) | (texts_at_hand() if "classifier" in block[1] else {})
        # Empty lines before it give the lines of a traceback the page's own numbers.
        exec(compile("\n" * first_line + block[1], str(page), "exec"), names)
        sampler = names["sampler"]
        if sampler._run._plan is None:  # nobody has used it yet
            index, (x, y) = next(iter(DataLoader(keepset.indexed(names["dataset"]), batch_size=4, sampler=sampler)))
            sampler.report(index, F.cross_entropy(names["model"](x), y, reduction="none"))
        sampler.flush()
        sampler.close()
    return len(blocks)


if __name__ == "__main__":
    print(f"{run_blocks(Path(sys.argv[1]), sys.argv[2])} blocks ran")
