"""How a network is trained: everything that is the same for all methods that are compared."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """SGD with Nesterov momentum and a one-cycle learning rate over the arm's own steps."""

    network: str
    epochs: int
    batch_size: int
    peak_rate: float
    """Peak of the learning rate, reached after `rising` of the steps."""
    rising: float
    weight_decay: float
    selection_period: int
    shift: int
    """Pixels by which an image is moved at most."""
    test_every: int
    """Epochs from one test to the next; the last epoch has one."""
    momentum: float = 0.9
    label_smoothing: float = 0.0


RECIPES = {
    # Two cores do an arm of this in minutes.
    "cpu": Recipe(
        network="small",
        epochs=16,
        batch_size=250,
        peak_rate=0.2,
        rising=0.3,
        weight_decay=5e-4,
        selection_period=2,
        shift=2,
        test_every=4,
    ),
    # The literature's: 200 epochs of ResNet-18, selected every 10 by the paper's methods.
    "resnet18": Recipe(
        network="resnet18",
        epochs=200,
        batch_size=128,
        peak_rate=0.1,
        rising=0.1,
        weight_decay=5e-4,
        selection_period=10,
        shift=4,
        test_every=10,
    ),
    # To see that everything works.
    "tiny": Recipe(
        network="small",
        epochs=2,
        batch_size=50,
        peak_rate=0.05,
        rising=0.3,
        weight_decay=5e-4,
        selection_period=1,
        shift=1,
        test_every=1,
    ),
}
