"""A JAX loop: keepset.client alone, without torch. A small network learns to tell three spirals apart, which are made
on the spot.

    python examples/jax/train.py
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

import keepset

EPOCHS = 12
BATCH = 50
Parameters = list[tuple[jax.Array, jax.Array]]


class OnItsWay:
    """Losses that a device still computes. The client reads them on a thread of its own, so that this loop does not
    wait for them.
    """

    def __init__(self, values: jax.Array) -> None:
        self.size = values.size
        self._values = values

    def read(self) -> np.ndarray:
        return np.asarray(self._values)


def main(args: argparse.Namespace) -> None:
    x, y = make_spirals(3000, seed=0)
    test_x, test_y = make_spirals(1000, seed=1)
    parameters = make_parameters([2, 64, 64, 3])
    velocity = jax.tree.map(jnp.zeros_like, parameters)

    with keepset.connect(args.address) as client:
        # With position_multiple every batch is full, so that JAX compiles the step once.
        run = client.create_run(
            sample_count=len(x), policy=keepset.UCB(), prune_rate=0.5, epochs=EPOCHS, seed=0, position_multiple=BATCH
        )
        for epoch in range(EPOCHS):
            plan = run.plan_epoch(epoch)
            total = jnp.zeros(())
            for indices in plan.batches(BATCH):
                parameters, velocity, losses = train_step(parameters, velocity, x[indices], y[indices])
                plan.report(indices, OnItsWay(losses))
                total += losses.sum()
            accuracy = float((logits_of(parameters, test_x).argmax(1) == test_y).mean())
            print(
                f"epoch {epoch + 1}/{EPOCHS}: kept {plan.kept_count / plan.sample_count:.0%}, "
                f"loss {float(total) / plan.position_count:.4f}, test accuracy {accuracy:.1%}, "
                f"saving {plan.saving:.1%}",
                flush=True,
            )
        progress = run.finish().progress
        print(f"{progress.observations} losses counted in {progress.reports} reports")


def logits_of(parameters: Parameters, x: jax.Array | np.ndarray) -> jax.Array:
    for weight, bias in parameters[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = parameters[-1]
    return x @ weight + bias


@jax.jit
def train_step(
    parameters: Parameters, velocity: Parameters, x: jax.Array, y: jax.Array
) -> tuple[Parameters, Parameters, jax.Array]:
    """One step of SGD with momentum. Returns the un-reduced losses (B,), too."""
    print(f"compiling for batches of {len(y)}")  # runs when JAX compiles the step, not when it is called

    def mean_loss(parameters: Parameters) -> tuple[jax.Array, jax.Array]:
        log_probabilities = jax.nn.log_softmax(logits_of(parameters, x))
        losses = -jnp.take_along_axis(log_probabilities, y[:, None], axis=1).squeeze(1)
        return losses.mean(), losses

    gradient, losses = jax.grad(mean_loss, has_aux=True)(parameters)
    velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, gradient)
    return jax.tree.map(lambda p, v: p - 0.05 * v, parameters, velocity), velocity, losses


def make_parameters(widths: list[int]) -> Parameters:
    keys = jax.random.split(jax.random.key(0), len(widths) - 1)
    return [
        (jax.random.normal(key, (before, after)) * (2 / before) ** 0.5, jnp.zeros(after))
        for key, before, after in zip(keys, widths[:-1], widths[1:], strict=True)
    ]


def make_spirals(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 2) on three arms with some noise, and the arm (N,) of each."""
    random = np.random.default_rng(seed)
    arm, radius = random.integers(0, 3, count), np.sqrt(random.random(count))
    angle = 2 * np.pi * arm / 3 + 4 * radius + random.normal(0, 0.15, count)
    return (2 * radius * np.stack([np.cos(angle), np.sin(angle)])).T.astype(np.float32), arm.astype(np.int32)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a JAX loop")
    parser.add_argument("--address", help="HOST:PORT of a sampler; without it one starts beside this process")
    main(parser.parse_args())
