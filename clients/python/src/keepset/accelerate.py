# accelerate has no stubs, and its own types are partial.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
"""Keepset in a loop of accelerate: a loader that is not sharded a second time, checkpoints that hold the sampler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from torch.utils.data import DataLoader

from keepset.sampler import Sampler

try:
    from accelerate import Accelerator
    from accelerate.data_loader import prepare_data_loader
except ImportError as error:
    raise ImportError('keepset.accelerate needs accelerate: pip install "keepset[accelerate]"') from error


def prepare(accelerator: Accelerator, loader: DataLoader[Any], *, export: bool = False) -> PreparedLoader:
    """Prepares a loader with a `keepset.Sampler`, in the place of `accelerator.prepare`, which would share out each
    rank's samples once more.

    ```python
    model, optimizer = accelerator.prepare(model, optimizer)
    loader = keepset.accelerate.prepare(accelerator, loader)
    ```

    The batches come on accelerate's device, gradient accumulation sees the end of the loader, and `save_state` and
    `load_state`, called on every rank, keep the sampler's state too.

    Args:
        accelerator: the one that prepares the model. Not with `split_batches` or `dispatch_batches` in several
            processes: each rank makes batches of its own, of the loader's size.
        loader: a plain DataLoader: `sampler=`, or the sampler in its `batch_sampler=`, is a `keepset.Sampler`.
        export: checkpoints carry the run's whole state, about 30 bytes a sample, so that the training can go on with
            another sampler, on another machine. All ranks then meet in `save_state`.

    Raises:
        ValueError: a loader or accelerator that cannot be right.
    """
    prepared = prepare_unregistered(accelerator, loader)
    sampler = prepared.sampler
    accelerator.register_for_checkpointing(_Exporting(accelerator, sampler) if export else sampler)
    return prepared


class PreparedLoader:
    """A loader as accelerate prepares it, whose epoch is that of its sampler. Made by `prepare`.

    Attributes: sampler, the `keepset.Sampler`; dataset, the data set that is read.
    """

    def __init__(self, loader: Any, sampler: Sampler) -> None:
        self._loader = loader
        self.sampler = sampler
        self.dataset: Any = loader.dataset

    def __len__(self) -> int:
        """Batches of this rank in the present epoch, or those that are left where it goes on in the middle of it."""
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        """The batches of the sampler's present epoch, on accelerate's device; read one batch ahead."""
        # accelerate counts the loader's iterations and takes them for the epoch: wrong after a checkpoint.
        self._loader.set_epoch(self.sampler.epoch)
        for batch in self._loader:
            if batch is None:  # from a loader without batches, in older versions
                return
            # accelerate takes the data set's length for the epoch's: gather_for_metrics would cut the last batch.
            self._loader.remainder = -1
            yield batch

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch is trained next, from 0: the same as `sampler.set_epoch`."""
        self.sampler.set_epoch(epoch)


def prepare_unregistered(accelerator: Accelerator, loader: DataLoader[Any]) -> PreparedLoader:
    """As `prepare`, for who saves the sampler's state by other means than `accelerator.save_state`."""
    sampler = _find_sampler(loader)
    return PreparedLoader(_place(accelerator, loader, sampler), sampler)


def _find_sampler(loader: Any) -> Sampler:
    """The `keepset.Sampler` of a plain DataLoader. Raises ValueError where there is none, or it was prepared before."""
    kind = type(loader).__name__
    if isinstance(loader, PreparedLoader):
        raise ValueError("keepset.accelerate.prepare() has prepared the loader already: call it once for a loader")
    if not isinstance(cast(object, loader), DataLoader):
        raise ValueError(f"loader is a {kind}: prepare(accelerator, loader) takes a DataLoader")
    if getattr(loader, "_is_accelerate_prepared", False):
        raise ValueError(
            "accelerator.prepare() has prepared the loader already, which shards it once more: pass the plain "
            "DataLoader to keepset.accelerate.prepare(accelerator, loader) instead"
        )
    for sampler in (loader.sampler, getattr(loader.batch_sampler, "sampler", None)):
        if isinstance(sampler, Sampler):
            return sampler
    raise ValueError(
        f"the loader's sampler is a {type(loader.sampler).__name__}: make it with "
        "DataLoader(keepset.indexed(dataset), sampler=keepset.Sampler(dataset, ...)). Loaders without one, as for "
        "validation, are accelerator.prepare()'s"
    )


def _place(accelerator: Accelerator, loader: Any, sampler: Sampler) -> Any:
    """The loader with what accelerate adds to it, but not sharded. Raises ValueError for what cannot be right."""
    processes = accelerator.num_processes
    if loader.batch_sampler is None:
        raise ValueError(
            "the loader's batch_size is None, which accelerate does not take: give it a batch size, or batch_sampler="
        )
    for name in ("split_batches", "dispatch_batches"):
        if processes > 1 and getattr(accelerator, name):
            raise ValueError(
                f"the accelerator has {name}=True, but the {processes} ranks of a keepset.Sampler make batches of "
                "their own: leave it out, and let the loader's batch size be that of one rank"
            )
    # With tensor or context parallelism several processes are one rank, which only the user's rank= can tell.
    if sampler.world_size != processes and getattr(accelerator, "parallelism_config", None) is None:
        raise ValueError(
            f"the sampler shares the samples out to {sampler.world_size} ranks, accelerate runs {processes} "
            "processes: leave out Sampler(rank=, world_size=); several processes without GPUs need "
            "Accelerator(cpu=True), or TrainingArguments(use_cpu=True)"
        )
    prepared: Any = prepare_data_loader(  # as if this process were the only one
        loader,
        accelerator.device,
        num_processes=1,
        process_index=0,
        put_on_device=accelerator.device_placement,
        rng_types=list(accelerator.rng_types or ()),
        non_blocking=accelerator.non_blocking,
    )
    return prepared


class _Exporting:
    """What is registered for checkpointing: the sampler, with its run's whole state in the file of the main process,
    or of each machine's where accelerate saves on each node.
    """

    def __init__(self, accelerator: Accelerator, sampler: Sampler) -> None:
        self._accelerator = accelerator
        self._sampler = sampler

    def state_dict(self) -> dict[str, Any]:
        """The state, with the run's own in the process that writes it, when no rank's losses are on their way."""
        self._sampler.flush()
        self._accelerator.wait_for_everyone()
        return self._sampler.state_dict(export=self._accelerator.is_local_main_process)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self._sampler.load_state_dict(state_dict)
