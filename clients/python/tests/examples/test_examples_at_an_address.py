"""Every example trains with a sampler that runs elsewhere, when it is given its address."""

from __future__ import annotations

import pytest
from example_files import NEEDS_ADDRESS, SmallCheckout, documented_commands, example_paths

import keepset
from support.sampler_process import SamplerProcess

# Several programs one after the other, on a machine that may be busy.
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("path", [path for path in example_paths() if path not in NEEDS_ADDRESS])
def test_trains_with_a_sampler_at_an_address(checkout: SmallCheckout, sampler: SamplerProcess, path: str) -> None:
    command = f"{documented_commands(path)[0]} --address {sampler.address}"
    with keepset.connect(sampler.address) as client, checkout.start(command) as process:
        before = {run.run_id for run in client.list_runs()}

        def has_losses() -> bool:
            return any(run.progress.observations > 0 for run in client.list_runs() if run.run_id not in before)

        assert process.stdout is not None
        output = ""
        for line in process.stdout:  # after an epoch at the latest
            output += line
            if has_losses():
                break
        assert has_losses(), output
    assert not (checkout.folder / path).with_name("keepset-data").exists(), "it started a sampler of its own"
