"""pytest plugin that writes { passed, failed, skipped } to the file named by KEEPSET_TEST_COUNTS.

Each file that does not load and each set-up or tear-down that fails counts as one failure.
One that was expected counts as skipped.
"""

import json
import os
from pathlib import Path
from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    def count(*outcomes: str) -> int:
        return sum(len(terminalreporter.stats.get(outcome, ())) for outcome in outcomes)

    counts = {
        "passed": count("passed"),
        "failed": count("failed", "error"),
        "skipped": count("skipped", "xfailed"),
    }
    Path(os.environ["KEEPSET_TEST_COUNTS"]).write_text(json.dumps(counts))
