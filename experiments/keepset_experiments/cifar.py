"""CIFAR-10 and CIFAR-100 in their plain binary format.

Source of the data: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Source:
    """Where a data set lies."""

    classes: int
    label_bytes: int
    """Bytes before the pixels of a record; the last one is the label."""
    train: tuple[str, ...]
    test: str
    folder: str
    url: str
    md5: str
    """Of the archive, as its page states it."""


SOURCES = {
    "cifar10": Source(
        classes=10,
        label_bytes=1,
        train=tuple(f"data_batch_{part}.bin" for part in range(1, 6)),
        test="test_batch.bin",
        folder="cifar-10-batches-bin",
        url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        md5="c32a1d4ab5d03f1284b67883e8d87530",
    ),
    "cifar100": Source(
        classes=100,
        label_bytes=2,
        train=("train.bin",),
        test="test.bin",
        folder="cifar-100-binary",
        url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        md5="03b5dce01913d631647c71ecec9e9cb8",
    ),
}


@dataclass(frozen=True)
class DataSet:
    """Images are uint8, (N, 3, 32, 32); labels int64, (N,)."""

    name: str
    classes: int
    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor

    def first(self, count: int) -> DataSet:
        """Its first `count` training images, and as many for the test at most."""
        return DataSet(
            self.name,
            self.classes,
            self.images[:count],
            self.labels[:count],
            self.test_images[:count],
            self.test_labels[:count],
        )


def read(directory: Path, name: str) -> DataSet:
    """Reads a data set from `directory`, or from the folder in it that the archive makes."""
    source = SOURCES[name]
    folder = directory / source.folder if (directory / source.folder).is_dir() else directory
    train_images, train_labels = _read_files([folder / file for file in source.train], source)
    test_images, test_labels = _read_files([folder / source.test], source)
    return DataSet(name, source.classes, train_images, train_labels, test_images, test_labels)


def download(directory: Path, name: str) -> None:
    """Fetches the archive of a data set, checks it and unpacks it into `directory`."""
    source = SOURCES[name]
    with urllib.request.urlopen(source.url) as answer:
        archive = answer.read()
    found = hashlib.md5(archive).hexdigest()
    if found != source.md5:
        raise ValueError(f"{source.url} has the MD5 sum {found}, not {source.md5}: it is not the file that was meant")
    directory.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        wanted = {f"{source.folder}/{file}" for file in (*source.train, source.test)}
        tar.extractall(directory, [member for member in tar.getmembers() if member.name in wanted], filter="data")


def _read_files(paths: list[Path], source: Source) -> tuple[Tensor, Tensor]:
    parts = [_read_records(path, source.label_bytes + PIXELS) for path in paths]
    records = np.concatenate(parts)
    images = np.ascontiguousarray(records[:, source.label_bytes :]).reshape(-1, 3, 32, 32)
    labels = records[:, source.label_bytes - 1].astype(np.int64)
    if labels.max() >= source.classes:
        raise ValueError(f"{paths[0]} has the label {labels.max()}; this data set has {source.classes} classes")
    return torch.from_numpy(images), torch.from_numpy(labels)


def _read_records(path: Path, record_bytes: int) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not there: give --data the folder with the files of the plain binary version, or fetch them "
            f"with `python -m keepset_experiments download`"
        )
    data = np.fromfile(path, np.uint8)
    if data.size == 0 or data.size % record_bytes:
        raise ValueError(f"{path} has {data.size} bytes, which are no whole records of {record_bytes}")
    return data.reshape(-1, record_bytes)
