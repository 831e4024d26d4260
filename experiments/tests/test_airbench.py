from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from keepset_experiments.accuracy import accuracy_of, view_mean
from keepset_experiments.airbench import WHITENED, Airbench
from keepset_experiments.networks import build, to_input


def pictures(count: int = 64) -> torch.Tensor:
    """Images whose neighbouring pixels are alike, as those of a photograph."""
    coarse = torch.randint(256, (count, 3, 9, 9), generator=torch.Generator().manual_seed(1)).float()
    return F.interpolate(coarse, (32, 32), mode="bilinear").to(torch.uint8)


def airbench() -> Airbench:
    torch.manual_seed(0)
    network = build("airbench-narrow", 10, pictures())
    assert isinstance(network, Airbench)
    return network


@torch.no_grad()
def test_whitened_patches_are_uncorrelated_with_mean_0_and_variance_1() -> None:
    network = airbench()
    answers = network.whitening(to_input(pictures())).transpose(0, 1).flatten(1)
    half = WHITENED // 2
    assert torch.allclose(answers[half:], -answers[:half], atol=1e-5)
    assert answers[:half].mean(1).abs().max() < 1e-4
    covariance = answers[:half].cov()
    assert (covariance - covariance.diag().diag()).abs().max() < 1e-3
    # In the directions in which the images hardly differ it stays below 1.
    assert 0.95 < covariance.diag().max() < 1.001


def test_the_whitening_and_the_scales_of_batch_norms_do_not_learn() -> None:
    network = airbench()
    network(to_input(pictures())).sum().backward()
    still = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    norms = {f"groups.{group}.norms.{number}.weight" for group in range(3) for number in range(3)}
    assert still == {"whitening.weight"} | norms


@torch.no_grad()
def test_a_new_convolution_hands_its_inputs_through() -> None:
    convolution = airbench().groups[1].convolutions[0]
    inner = torch.rand(2, 16, 7, 7)
    assert torch.allclose(convolution(inner)[:, :16], inner, atol=1e-6)
    assert convolution(inner)[:, 16:].abs().max() > 0


def test_the_same_seed_builds_the_same_network() -> None:
    first, second = airbench(), airbench()
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_views_are_the_image_and_two_moves_with_their_mirror_images() -> None:
    def corners(views: torch.Tensor) -> torch.Tensor:
        return views[:, :, 0, 0]

    image = torch.arange(16.0).view(1, 1, 4, 4)
    # Top left corners: 0, mirrored 3; moved down and right (5 is reflected into the corner) 5, mirrored 6 of the right
    # end of the row, which is its third pixel; moved up and left 5 and 6 likewise.
    assert view_mean(corners, image).item() == pytest.approx(0.5 * (0 + 3) / 2 + 0.5 * (5 + 6) / 2)


def test_accuracy_is_that_of_the_views_only_where_it_is_asked_for() -> None:
    images = torch.randint(256, (50, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(50) % 2

    def knows_the_first_corner(inputs: torch.Tensor) -> torch.Tensor:
        is_original = (inputs[:, :, 0, 0] - to_input(images)[:, :, 0, 0]).abs().sum(1) < 1e-6
        return F.one_hot(torch.where(is_original, labels, 1 - labels), 2) * torch.where(is_original, 1.0, 0.9)[:, None]

    assert accuracy_of(knows_the_first_corner, images, labels, averages_views=False) == 1
    assert accuracy_of(knows_the_first_corner, images, labels, averages_views=True) < 0.5
