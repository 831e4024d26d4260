"""An example that is killed goes on with `--resume` as if nothing had happened."""

from __future__ import annotations

import os
import re
import signal

import pytest
from example_files import SECONDS, SmallCheckout

from support.cutting_proxy import CuttingProxy
from support.sampler_process import SamplerProcess

# Several programs one after the other, on a machine that may be busy.
pytestmark = pytest.mark.timeout(600)

PLAIN = "python examples/pytorch/plain.py"
ANY_TRAINER = "python examples/any_trainer/train.py --run-id killed"


def epoch_lines(output: str) -> dict[int, str]:
    """What was printed for each epoch."""
    return {int(number): line for line, number in re.findall(r"^(epoch (\d+)/.*)$", output, re.MULTILINE)}


def kill_in_epoch_4(checkout: SmallCheckout, command: str) -> None:
    """Starts a command and kills it, with its children, as soon as it has told of its third epoch."""
    with checkout.start(command) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch 3/"):
                break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def check_the_same(resumed: dict[int, str], undisturbed: dict[int, str]) -> None:
    # A process may have come a little further before it died.
    assert 4 <= min(resumed) < max(resumed) == max(undisturbed)
    assert resumed == {epoch: line for epoch, line in undisturbed.items() if epoch >= min(resumed)}


def test_the_plain_loop_and_its_embedded_sampler(checkout: SmallCheckout) -> None:
    with checkout.start(f"{PLAIN} --resume") as process:
        output, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 1 and output.startswith("there is no checkpoint to go on from in ")
        assert "Traceback" not in output
    undisturbed = epoch_lines(checkout.run(PLAIN))
    assert "8 of 8 epochs are trained, nothing is left to do" in checkout.run(f"{PLAIN} --epochs 7 --resume")
    kill_in_epoch_4(checkout, PLAIN)
    check_the_same(epoch_lines(checkout.run(f"{PLAIN} --resume")), undisturbed)


def test_the_trainer_from_the_contract_alone(
    checkout: SmallCheckout, sampler: SamplerProcess, proxy: CuttingProxy
) -> None:
    undisturbed = epoch_lines(checkout.run(f"{ANY_TRAINER} --address {sampler.address}"))
    # It sends some 250 kB: the sampler is out of its reach from the middle of the run on, in the middle of an epoch.
    limits = iter([(150_000, None)])
    proxy.cut_after(lambda: next(limits, (1, None)))
    kill_in_epoch_4(checkout, f"{ANY_TRAINER} --address {proxy.address}")
    check_the_same(epoch_lines(checkout.run(f"{ANY_TRAINER} --resume --address {sampler.address}")), undisturbed)


def test_the_trainer_from_the_contract_alone_over_a_broken_connection(
    checkout: SmallCheckout, sampler: SamplerProcess, proxy: CuttingProxy
) -> None:
    undisturbed = checkout.run(f"{ANY_TRAINER} --address {sampler.address}")
    proxy.cut_after(lambda: (60_000, None))
    assert checkout.run(f"{ANY_TRAINER} --address {proxy.address}") == undisturbed
    assert proxy.connections > 3
