"""Data sets that are made up, in CIFAR's format."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keepset_experiments.cifar import PIXELS, SOURCES


def write_cifar(folder: Path, name: str = "cifar10", per_file: int = 40) -> None:
    """Images of one colour for each class, with noise: a network learns them at once."""
    source = SOURCES[name]
    random = np.random.default_rng(0)
    target = folder / source.folder
    target.mkdir(parents=True)
    for file in (*source.train, source.test):
        labels = np.arange(per_file) % source.classes
        pixels = random.normal(20 * labels[:, None] + 30, 5, (per_file, PIXELS)).clip(0, 255)
        coarse = np.full((per_file, source.label_bytes - 1), 7)
        np.concatenate([coarse, labels[:, None], pixels], axis=1).astype(np.uint8).tofile(target / file)
