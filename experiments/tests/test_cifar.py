from __future__ import annotations

from pathlib import Path

import pytest
import torch

from keepset_experiments.cifar import SOURCES, read
from synthetic import write_cifar


@pytest.mark.parametrize(("name", "files"), [("cifar10", 5), ("cifar100", 1)])
def test_files_are_read_in_their_order(tmp_path: Path, name: str, files: int) -> None:
    write_cifar(tmp_path, name)
    data = read(tmp_path, name)
    assert data.images.shape == (40 * files, 3, 32, 32) and data.images.dtype == torch.uint8
    assert data.labels[:41].tolist() == [*(i % data.classes for i in range(40)), 0][: len(data.labels[:41])]
    record = (tmp_path / SOURCES[name].folder / SOURCES[name].train[0]).read_bytes()
    skipped = SOURCES[name].label_bytes
    assert data.images[0].flatten().tolist() == list(record[skipped : skipped + 3072])
    assert len(data.test_labels) == 40


def test_the_folder_itself_can_be_given(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    assert torch.equal(read(tmp_path / SOURCES["cifar10"].folder, "cifar10").images, read(tmp_path, "cifar10").images)


def test_what_is_not_there_or_cut_off_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="keepset_experiments download"):
        read(tmp_path, "cifar10")
    write_cifar(tmp_path)
    path = tmp_path / SOURCES["cifar10"].folder / "test_batch.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"test_batch.bin has 122919 bytes, which are no whole records of 3073"):
        read(tmp_path, "cifar10")


def test_labels_of_another_data_set_are_refused(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    path = tmp_path / SOURCES["cifar10"].folder / "data_batch_1.bin"
    records = bytearray(path.read_bytes())
    records[0] = 10
    path.write_bytes(records)
    with pytest.raises(ValueError, match="has the label 10; this data set has 10 classes"):
        read(tmp_path, "cifar10")
