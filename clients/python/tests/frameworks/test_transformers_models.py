"""The loss of each sample for the usual models of transformers: found by itself, and trained as by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from datasets import Dataset
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration
from transformers_training import (
    EPOCHS,
    WORDS,
    N,
    RecordingTrainer,
    make_args,
    make_data,
    make_model,
    make_sampler,
    train_plainly,
)

import keepset
from keepset.transformers import KeepsetTrainer
from keepset.transformers.head_losses import classes, find_head_loss, next_tokens, several_labels, squared_error
from support.sampler_process import SamplerProcess


@pytest.fixture
def own_sampler(sampler: SamplerProcess, run_id: str) -> Iterator[keepset.Sampler]:
    with_accumulation = make_sampler(sampler.address, run_id, position_multiple=12)
    yield with_accumulation
    with_accumulation.close()


def make_texts() -> Dataset:
    """Texts of two to six words, padded; what is padding does not count."""
    words = torch.randint(0, WORDS, (N, 6), generator=torch.Generator().manual_seed(1))
    is_word = torch.arange(6) < torch.arange(N)[:, None] % 5 + 2
    return Dataset.from_dict(
        {
            "input_ids": words.tolist(),
            "attention_mask": is_word.long().tolist(),
            "labels": words.masked_fill(~is_word, -100).tolist(),
        }
    )


def make_language_model() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 8, "vocab_size": WORDS}
    return GPT2LMHeadModel(GPT2Config(**sizes, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0))


def mean_of_tokens(logits: Tensor, labels: Tensor) -> Tensor:
    """By hand, one text after the other."""
    return torch.stack([F.cross_entropy(one[:-1], label[1:]) for one, label in zip(logits, labels, strict=True)])


def test_a_language_model_trains_as_by_hand(
    own_sampler: keepset.Sampler, sampler: SamplerProcess, run_id: str, tmp_path: Path
) -> None:
    model = make_language_model()
    asked_for_loss: list[bool] = []
    hook = model.register_forward_hook(lambda *_: asked_for_loss.append("labels" in _[2]), with_kwargs=True)
    args = make_args(tmp_path, gradient_accumulation_steps=3)
    trainer = RecordingTrainer(model=model, args=args, train_dataset=make_texts(), sampler=own_sampler)
    trainer.train()
    hook.remove()
    assert asked_for_loss == [True] + [False] * 29

    by_hand = make_language_model()
    twin = make_sampler(sampler.address, run_id + "-by-hand", position_multiple=12)
    trained, _ = train_plainly(twin, by_hand, make_texts(), accumulation=3, losses=mean_of_tokens)
    assert trainer.trained == trained
    for name, values in by_hand.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], values, msg=name)
    twin.flush()
    ours, theirs = (one.run.client.statistics(one.run_id) for one in (own_sampler, twin))
    np.testing.assert_allclose(ours.last_losses, theirs.last_losses, rtol=1e-4)
    twin.close()


def test_a_model_of_encoder_and_decoder(own_sampler: keepset.Sampler, tmp_path: Path) -> None:
    """It makes the decoder's input of the labels."""
    torch.manual_seed(0)
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2, "vocab_size": WORDS}
    model = T5ForConditionalGeneration(T5Config(**sizes, decoder_start_token_id=0, pad_token_id=0))
    trainer = RecordingTrainer(
        model=model, args=make_args(tmp_path, max_steps=3), train_dataset=make_texts(), sampler=own_sampler
    )
    trainer.train()
    assert trainer._head_loss is classes


class Weighted(KeepsetTrainer):
    """A loss of the user's own."""

    def sample_losses(self, outputs: Any, inputs: Any) -> Tensor:
        return 2 * F.cross_entropy(outputs.logits, inputs["labels"], reduction="none")


def test_a_loss_of_ones_own(own_sampler: keepset.Sampler, tmp_path: Path) -> None:
    trainer = Weighted(model=make_model(), args=make_args(tmp_path), train_dataset=make_data(), sampler=own_sampler)
    trainer.train()
    logits = trainer.model.eval()(torch.tensor(make_data()["input_ids"])).logits
    first = next(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)
    assert first == pytest.approx(2 * np.log(3), rel=0.1), "twice that of a model that knows nothing"
    losses = own_sampler.run.client.statistics(own_sampler.run_id).last_losses
    now = 2 * F.cross_entropy(logits, torch.tensor(make_data()["labels"]), reduction="none").detach().numpy()
    # Of all samples: the last batch has the hardest of them.
    assert now.mean() < first
    assert np.corrcoef(losses, now)[0, 1] > 0.5
    assert own_sampler.epoch == EPOCHS - 1


@pytest.mark.parametrize(
    ("logits", "labels", "found", "each"),
    [
        (torch.randn(3, 4), torch.tensor([0, 3, 1]), classes, None),
        (torch.randn(3, 1), torch.randn(3), squared_error, lambda y, x: (y.flatten() - x) ** 2),
        (torch.randn(3, 2), torch.randn(3, 2), squared_error, lambda y, x: ((y - x) ** 2).mean(1)),
        (
            torch.randn(3, 2),
            torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]),
            several_labels,
            lambda y, x: F.binary_cross_entropy_with_logits(y, x, reduction="none").mean(1),
        ),
        (torch.randn(3, 5, 4), torch.randint(0, 4, (3, 5)), classes, None),
        (torch.randn(3, 5, 4), torch.randint(0, 4, (3, 5)), next_tokens, mean_of_tokens),
    ],
)
def test_finds_the_models_loss(logits: Tensor, labels: Tensor, found: Any, each: Any) -> None:
    if each is None:  # the last dimension but one is that of tokens, if any
        expected = F.cross_entropy(logits.movedim(-1, 1), labels, reduction="none").reshape(3, -1).mean(1)
    else:
        expected = each(logits, labels)
    loss = find_head_loss(logits, labels, expected.mean())
    assert loss is found
    torch.testing.assert_close(loss(logits, labels).losses, expected)


def test_says_so_where_the_loss_is_another_one() -> None:
    logits, labels = torch.randn(3, 4), torch.tensor([0, 3, 1])
    weighted = F.cross_entropy(logits, labels, weight=torch.tensor([1.0, 2.0, 3.0, 4.0]))
    with pytest.raises(ValueError, match=r"\(3, 4\), labels \(3,\), and the model tells .* Override sample_losses"):
        find_head_loss(logits, labels, weighted)


def test_a_model_that_tells_no_logits_is_refused(own_sampler: keepset.Sampler, tmp_path: Path) -> None:
    class Silent(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, input_ids: Tensor, labels: Tensor) -> dict[str, Tensor]:
            return {"loss": self.weight.sum()}

    trainer = KeepsetTrainer(model=Silent(), args=make_args(tmp_path), train_dataset=make_data(), sampler=own_sampler)
    with pytest.raises(ValueError, match=r"no logits: override sample_losses"):
        trainer.train()
