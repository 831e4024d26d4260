"""`python -m keepset_experiments run | tables | download`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import cifar
from .arm import read_matrix
from .page import write_page
from .running import ArmFailedError, RunSettings, run

HERE = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m keepset_experiments", description="full against pruned training")
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="train the arms of a matrix that have no result yet")
    runs.add_argument("matrix", type=Path, help="a file of experiments/matrices")
    runs.add_argument("--data", type=Path, required=True, help="folder of the data sets, plain CIFAR binary format")
    runs.add_argument("--out", type=Path, help="file of the results (experiments/results/NAME OF THE MATRIX.jsonl)")
    runs.add_argument("--workers", type=int, default=1, help="arms at once (1)")
    runs.add_argument("--threads", type=int, help="threads of each (the cores, shared by the workers)")
    tables = commands.add_parser("tables", help="write docs/results.md and its plots from the results")
    tables.add_argument("--results", type=Path, default=HERE / "results")
    tables.add_argument("--docs", type=Path, default=HERE.parent / "docs")
    download = commands.add_parser("download", help="fetch a data set, with its checksum")
    download.add_argument("name", choices=list(cifar.SOURCES))
    download.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    try:
        if given.command == "run":
            threads = given.threads or max(1, (os.cpu_count() or 1) // given.workers)
            out = given.out or HERE / "results" / f"{given.matrix.stem}.jsonl"
            run(read_matrix(given.matrix), RunSettings(given.data, out, given.workers, threads), sys.stderr)
        elif given.command == "tables":
            print(write_page(given.results, given.docs))
        else:
            cifar.download(given.data, given.name)
    except (ArmFailedError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
