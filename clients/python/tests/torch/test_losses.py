import math
from typing import Any, Literal

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st

from keepset.losses import per_object, per_sample

Reduction = Literal["mean", "sum", "max"]
REDUCTIONS: list[Reduction] = ["mean", "sum", "max"]


def reduce_by_hand(values: list[float], reduction: str) -> float:
    if not values:
        return 0.0
    return {"mean": math.fsum(values) / len(values), "sum": math.fsum(values), "max": max(values)}[reduction]


@st.composite
def masked_losses(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    shape = draw(st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple))
    masked = draw(st.integers(1, len(shape)))
    seed = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    losses = torch.randn(shape, generator=seed, dtype=torch.float64)
    return losses, torch.rand(shape[:masked], generator=seed) < 0.5


@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(data=masked_losses())
def test_reduces_what_counts_of_each_sample(data: tuple[torch.Tensor, torch.Tensor], reduction: Reduction) -> None:
    losses, mask = data
    answer = per_sample(losses, mask=mask, reduction=reduction)
    assert answer.shape == losses.shape[:1]
    for row in range(len(losses)):
        kept = [
            float(loss)
            for place, loss in np.ndenumerate(losses[row].numpy())
            if mask[(row, *place[: mask.ndim - 1])].item()
        ]
        assert answer[row].item() == pytest.approx(reduce_by_hand(kept, reduction), abs=1e-12)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_takes_everything_without_a_mask(reduction: Reduction) -> None:
    losses = torch.tensor([[[1.0, 5.0], [3.0, 3.0]], [[0.0, 0.0], [0.0, -8.0]]])
    expected = {"mean": [3.0, -2.0], "sum": [12.0, -8.0], "max": [5.0, 0.0]}[reduction]
    assert per_sample(losses, reduction=reduction).tolist() == expected


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_takes_masks_of_integers(dtype: torch.dtype) -> None:
    mask = torch.tensor([[1, 1, 0], [0, 0, 1]]).to(dtype)
    assert per_sample(torch.tensor([[1.0, 3.0, 9.0], [9.0, 9.0, 4.0]]), mask=mask).tolist() == [2.0, 4.0]


def test_means_the_tokens_that_ignore_index_leaves() -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 5, 7)
    labels = torch.randint(0, 7, (3, 5))
    labels[0, 2:] = -100
    token_losses = F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100, reduction="none")
    expected = torch.stack(
        [F.cross_entropy(row, label, ignore_index=-100) for row, label in zip(logits, labels, strict=True)]
    )
    torch.testing.assert_close(per_sample(token_losses, mask=labels != -100), expected)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("hidden", [math.nan, math.inf, -math.inf])
def test_what_the_mask_leaves_out_spoils_nothing(reduction: Reduction, hidden: float) -> None:
    losses = torch.tensor([[1.0, hidden], [hidden, hidden]], requires_grad=True)
    answer = per_sample(losses, mask=torch.tensor([[True, False], [False, False]]), reduction=reduction)
    assert answer.tolist() == [1.0, 0.0]
    answer.mean().backward()
    assert losses.grad is not None
    assert losses.grad.tolist() == [[0.5, 0.0], [0.0, 0.0]]


def test_says_nothing_was_learnt_by_nan_as_the_docs_show() -> None:
    mask = torch.tensor([[True, False], [False, False]])
    losses = per_sample(torch.ones(2, 2), mask=mask)
    score = torch.where(mask.any(1), losses, torch.nan)
    assert score[0] == 1.0
    assert score[1].isnan()


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gradient_is_that_of_a_loop(reduction: Reduction) -> None:
    torch.manual_seed(1)
    losses = torch.randn(4, 3, 2, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(4, 3) < 0.6
    weights = torch.randn(4, dtype=torch.float64)
    (per_sample(losses, mask=mask, reduction=reduction) * weights).sum().backward()
    answer = losses.grad
    losses.grad = None
    rows = [loss[keep] for loss, keep in zip(losses, mask, strict=True) if keep.any()]
    by_hand = [{"mean": row.mean, "sum": row.sum, "max": row.max}[reduction]() for row in rows]
    (torch.stack(by_hand) * weights[mask.any(1)]).sum().backward()
    torch.testing.assert_close(answer, losses.grad)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sums_half_precision_in_single(dtype: torch.dtype) -> None:
    # 4,096 ones: a float16 sum of them one by one stops at 2,048, a bfloat16 sum at 256.
    losses = torch.ones(2, 4096, dtype=dtype, requires_grad=True)
    owner = torch.arange(2).repeat_interleave(4096)
    for answer in (
        per_sample(losses, reduction="sum"),
        per_object(losses.flatten(), owner, 2, reduction="sum"),
    ):
        assert answer.dtype == torch.float32
        assert answer.tolist() == [4096.0, 4096.0]
    per_sample(losses).sum().backward()
    assert losses.grad is not None
    assert losses.grad.dtype == dtype


def test_keeps_single_and_double() -> None:
    for dtype in (torch.float32, torch.float64):
        losses = torch.ones(2, 3, dtype=dtype)
        assert per_sample(losses).dtype == dtype
        assert per_object(losses[0], torch.tensor([0, 0, 1]), 2).dtype == dtype


@pytest.mark.parametrize(
    ("losses", "options", "error", "text"),
    [
        (torch.tensor(1.0), {}, ValueError, 'reduction="none"'),
        (torch.tensor([1, 2]), {}, TypeError, "int64"),
        (torch.ones(2, 3), {"mask": torch.ones(2, 3)}, TypeError, "mask has dtype torch.float32"),
        (torch.ones(2, 3), {"mask": torch.ones(3, dtype=torch.bool)}, ValueError, r"mask has shape \(3,\)"),
        (torch.ones(2), {"mask": torch.ones(2, 1, dtype=torch.bool)}, ValueError, r"mask has shape \(2, 1\)"),
        (torch.ones(2), {"mask": torch.tensor(True)}, ValueError, r"mask has shape \(\)"),
        (torch.ones(2), {"reduction": "median"}, ValueError, "'median'"),
    ],
)
def test_refuses_what_it_cannot_reduce(losses: Any, options: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        per_sample(losses, **options)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@given(owners=st.lists(st.integers(0, 5), max_size=20), seed=st.integers(0, 1000))
def test_reduces_the_objects_of_each_sample(owners: list[int], seed: int, reduction: Literal["mean", "sum"]) -> None:
    losses = torch.randn(len(owners), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    answer = per_object(losses, torch.tensor(owners, dtype=torch.int64), 6, reduction=reduction)
    for place in range(6):
        own = [loss for loss, owner in zip(losses.tolist(), owners, strict=True) if owner == place]
        assert answer[place].item() == pytest.approx(reduce_by_hand(own, reduction), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_takes_owners_of_any_integer_type(dtype: torch.dtype) -> None:
    owners = torch.tensor([2, 0, 2], dtype=dtype)
    assert per_object(torch.tensor([1.0, 2.0, 5.0]), owners, 3).tolist() == [2.0, 0.0, 3.0]


def test_objects_share_the_gradient_of_their_sample() -> None:
    losses = torch.tensor([1.0, 2.0, 6.0], requires_grad=True)
    per_object(losses, torch.tensor([1, 1, 2]), 4).sum().backward()
    assert losses.grad is not None
    assert losses.grad.tolist() == [0.5, 0.5, 1.0]


@pytest.mark.parametrize(
    ("losses", "owners", "options", "error", "text"),
    [
        (torch.ones(2, 4), torch.tensor([0, 1]), {}, ValueError, r"losses\.sum\(1\)"),
        (torch.ones(2), torch.tensor([0]), {}, ValueError, r"sample_of_object \(1,\)"),
        (torch.tensor(1.0), torch.tensor(0), {}, ValueError, 'reduction="none"'),
        (torch.ones(2), torch.tensor([0.0, 1.0]), {}, TypeError, "float32"),
        (torch.ones(2), torch.tensor([True, False]), {}, TypeError, "bool"),
        (torch.ones(2), torch.tensor([0, 1]), {"reduction": "max"}, ValueError, "'max'"),
        (torch.ones(2), torch.tensor([0, 2]), {}, IndexError, "out of"),
    ],
)
def test_refuses_objects_it_cannot_place(
    losses: Any, owners: Any, options: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        per_object(losses, owners, 2, **options)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_does_not_wait_for_the_device() -> None:
    losses = torch.rand(4, 5, device="cuda", dtype=torch.float16)
    mask = torch.rand(4, 5, device="cuda") < 0.5
    owners = torch.arange(5, device="cuda") % 3
    previous = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        answers = [per_sample(losses, mask=mask, reduction=reduction) for reduction in REDUCTIONS]
        answers.append(per_object(losses[0], owners, 3))
        # The owners of objects are often on the host, as lists of sizes are.
        answers.append(per_object(losses[0], torch.arange(5) % 3, 3))
    finally:
        torch.cuda.set_sync_debug_mode(previous)
    for answer, reduction in zip(answers[:3], REDUCTIONS, strict=True):
        torch.testing.assert_close(answer.cpu(), per_sample(losses.cpu(), mask=mask.cpu(), reduction=reduction))
    torch.testing.assert_close(answers[3].cpu(), per_object(losses[0].cpu(), owners.cpu(), 3))
    torch.testing.assert_close(answers[4], answers[3])
