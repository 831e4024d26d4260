import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from keepset.scores import confidence, correct, el2n, grand

logit_rows = st.integers(1, 5).flatmap(
    lambda classes: st.lists(
        st.lists(st.floats(-30, 30, width=32), min_size=classes, max_size=classes), min_size=1, max_size=6
    )
)


def softmax_by_hand(row: list[float]) -> list[float]:
    highest = max(row)
    powers = [math.exp(value - highest) for value in row]
    return [power / math.fsum(powers) for power in powers]


@given(rows=logit_rows, draw=st.data())
def test_scores_of_logits_are_those_of_a_loop(rows: list[list[float]], draw: st.DataObject) -> None:
    labels = [draw.draw(st.integers(0, len(row) - 1)) for row in rows]
    logits, y = torch.tensor(rows), torch.tensor(labels)
    answers = [el2n(logits, y), correct(logits, y), confidence(logits), confidence(logits, y)]
    for answer in answers:
        assert answer.shape == (len(rows),)
        assert answer.dtype == torch.float32
    for place, (row, label) in enumerate(zip(rows, labels, strict=True)):
        odds = softmax_by_hand(row)
        error = math.sqrt(math.fsum((p - (k == label)) ** 2 for k, p in enumerate(odds)))
        expected = [error, float(row.index(max(row)) == label), max(odds), odds[label]]
        assert [float(answer[place]) for answer in answers] == pytest.approx(expected, abs=2e-6)


def test_el2n_of_the_extremes() -> None:
    logits = torch.tensor([[200.0, -200.0], [200.0, -200.0], [0.0, 0.0]])
    assert el2n(logits, torch.tensor([0, 1, 0])).tolist() == pytest.approx([0.0, math.sqrt(2), math.sqrt(0.5)])


def test_both_confidences_agree_where_the_prediction_is_right() -> None:
    logits = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    y = torch.randint(0, 4, (50,), generator=torch.Generator().manual_seed(1))
    right = correct(logits, y).bool()
    assert right.any()
    assert torch.equal(confidence(logits)[right], confidence(logits, y)[right])
    assert (confidence(logits)[~right] > confidence(logits, y)[~right]).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("label_type", [torch.uint8, torch.int32, torch.int64])
def test_scores_of_other_precisions_are_computed_in_single(dtype: torch.dtype, label_type: torch.dtype) -> None:
    logits = torch.randn(6, 300, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
    y = torch.arange(6)
    single = logits.detach().float()
    for score in (el2n, correct, confidence):
        answer = score(logits, y.to(label_type))
        assert answer.dtype == torch.float32
        assert not answer.requires_grad
        torch.testing.assert_close(answer, score(single, y))


@pytest.mark.parametrize("score", [el2n, correct, confidence])
def test_leaves_logits_and_labels_as_they_are(score: Callable[[Tensor, Tensor], Tensor]) -> None:
    logits, y = torch.randn(3, 4), torch.tensor([0, 3, 1])
    before = logits.clone(), y.clone()
    score(logits, y)
    assert torch.equal(logits, before[0])
    assert torch.equal(y, before[1])


@pytest.mark.parametrize(
    ("logits", "y", "text"),
    [
        (torch.zeros(3), torch.zeros(3, dtype=torch.int64), r"logits has shape \(3,\).*torch\.stack"),
        (torch.zeros(3, 2, 2), torch.zeros(3, dtype=torch.int64), r"logits has shape \(3, 2, 2\)"),
        (torch.zeros(3, 2, dtype=torch.int64), torch.zeros(3, dtype=torch.int64), "torch.int64"),
        (torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64), r"y has shape \(2,\)"),
        (torch.zeros(3, 2), torch.zeros(3, 2), r"y\.argmax\(1\)"),
        (torch.zeros(3, 2), torch.zeros(3), r"y has shape \(3,\) and dtype torch.float32"),
    ],
)
def test_refuses_what_is_no_classification(logits: Tensor, y: Tensor, text: str) -> None:
    for score in (el2n, correct, confidence):
        with pytest.raises(ValueError, match=text):
            score(logits, y)


def test_the_errors_remedy_for_two_classes_is_right() -> None:
    logit = torch.tensor([2.0, -1.0])
    logits = torch.stack([torch.zeros_like(logit), logit], 1)
    torch.testing.assert_close(confidence(logits, torch.tensor([1, 1])), logit.sigmoid())


# GraNd.


def make_model(**changes: Any) -> nn.Module:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4, **changes)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 5))
    if norm.running_mean is not None:
        norm.running_mean.normal_()
    return model.eval()


def make_batch(count: int = 7) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, 6, 6, generator=source), torch.randint(0, 5, (count,), generator=source)


def grand_by_loop(model: nn.Module, x: Tensor, y: Tensor, loss_fn: Any = F.cross_entropy) -> Tensor:
    norms: list[Tensor] = []
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for place in range(len(x)):
        loss = loss_fn(model(x[place : place + 1]), y[place : place + 1])
        gradients = torch.autograd.grad(loss, weights)
        norms.append(torch.cat([gradient.flatten() for gradient in gradients]).norm())
    return torch.stack(norms)


@pytest.mark.parametrize("chunk_size", [None, 1, 3, 100])
def test_grand_is_the_norm_of_each_samples_gradient(chunk_size: int | None) -> None:
    model, (x, y) = make_model(), make_batch()
    answer = grand(model, x, y, chunk_size=chunk_size)
    assert (answer.dtype, answer.requires_grad) == (torch.float32, False)
    torch.testing.assert_close(answer, grand_by_loop(model, x, y))


def test_grand_holds_no_more_gradients_at_once_than_asked() -> None:
    model, (x, y) = make_model(), make_batch(7)
    passes: list[int] = []

    def watched(output: Tensor, target: Tensor) -> Tensor:
        passes.append(1)
        return F.cross_entropy(output, target)

    grand(model, x, y, watched, chunk_size=3)
    assert len(passes) == 3, "one pass for each of 3, 3 and 1 samples"


def test_grand_takes_other_losses_and_targets() -> None:
    model, (x, _) = make_model(), make_batch()
    y = torch.randn(7, 5, generator=torch.Generator().manual_seed(2))

    def one_loss_each(output: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(output, target, reduction="none").mean(1)

    expected = grand_by_loop(model, x, y, F.mse_loss)
    torch.testing.assert_close(grand(model, x, y, F.mse_loss), expected)
    torch.testing.assert_close(grand(model, x, y, one_loss_each), expected)


def test_grand_leaves_out_what_is_not_trained() -> None:
    model, (x, y) = make_model(), make_batch()
    whole = grand(model, x, y)
    for parameter in list(model.parameters())[:2]:
        parameter.requires_grad_(False)
    answer = grand(model, x, y)
    torch.testing.assert_close(answer, grand_by_loop(model, x, y))
    assert (answer < whole).all()
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter with requires_grad"):
        grand(model, x, y)


def test_grand_counts_tied_weights_once() -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    model = nn.Sequential(first, nn.Tanh(), second)
    x, y = torch.randn(5, 4), torch.arange(5) % 4
    torch.testing.assert_close(grand(model, x, y), grand_by_loop(model, x, y))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_grand_works_where_gradients_are_off(context: Any) -> None:
    model, (x, y) = make_model(), make_batch()
    expected = grand_by_loop(model, x, y)
    with context():
        torch.testing.assert_close(grand(model, x, y), expected)
        torch.testing.assert_close(grand(model, x.clone(), y.clone()), expected)


def test_grand_is_the_same_under_autocast() -> None:
    model, (x, y) = make_model(), make_batch()
    with torch.autocast("cpu", torch.bfloat16):
        model(x)
        answer = grand(model, x, y)
        model(x).float().sum().backward()
    torch.testing.assert_close(answer, grand_by_loop(model, x, y))


class Counting(nn.Module):
    """Counts its forward passes in a buffer, as layers with moving averages do."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 3)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return self.inner(x)


def test_grand_changes_nothing_of_the_model() -> None:
    model = nn.Sequential(Counting(), nn.Dropout(0.5)).train()
    x, y = torch.randn(5, 4), torch.tensor([0, 1, 2, 0, 1])
    F.cross_entropy(model(x), y).backward()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    gradients = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    grand(model, x, y)
    grand(model, x, y, chunk_size=2)
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert parameter.grad is not None
        assert torch.equal(parameter.grad, gradient)
    assert model.training


def test_grand_of_a_model_in_eval_mode_draws_nothing() -> None:
    model, (x, y) = nn.Sequential(make_model(), nn.Dropout(0.5)).eval(), make_batch()
    before = torch.get_rng_state()
    grand(model, x, y)
    assert torch.equal(torch.get_rng_state(), before)


def test_grand_draws_dropout_for_each_sample() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(64, 2)).train()
    norms = grand(model, torch.ones(16, 64), torch.zeros(16, dtype=torch.int64))
    assert len(norms.unique()) > 8


@pytest.mark.parametrize("changes", [{}, {"track_running_stats": False}])
def test_grand_refuses_batch_norm_that_mixes_samples(changes: Any) -> None:
    model, (x, y) = make_model(**changes), make_batch()
    if not changes:
        model.train()
    with pytest.raises(ValueError, match=r"batch norm .*\(1\).*model\.eval\(\) before grand"):
        grand(model, x, y)


def test_grand_refuses_models_wrapped_for_data_parallel_training() -> None:
    x, y = make_batch()
    with pytest.raises(ValueError, match=r"DataParallel: pass the model inside, grand\(model\.module"):
        grand(nn.DataParallel(make_model()), x, y)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_scores_do_not_wait_for_the_device() -> None:
    model, (x, y) = make_model(), make_batch()
    logits = torch.randn(7, 5, generator=torch.Generator().manual_seed(3))
    expected = [el2n(logits, y), correct(logits, y), confidence(logits), confidence(logits, y), grand(model, x, y)]
    model, x, y, logits = model.cuda(), x.cuda(), y.cuda(), logits.cuda()
    grand(model, x, y)  # Loads libraries, which may wait.
    previous = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        answers = [el2n(logits, y), correct(logits, y), confidence(logits), confidence(logits, y), grand(model, x, y)]
    finally:
        torch.cuda.set_sync_debug_mode(previous)
    for answer, value in zip(answers, expected, strict=True):
        assert answer.is_cuda
        torch.testing.assert_close(answer.cpu(), value, atol=1e-3, rtol=1e-3)
