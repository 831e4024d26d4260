from __future__ import annotations

import re

import pytest

import keepset
from keepset_experiments.method import OPTIONS, POLICIES, Method, takes_rate
from keepset_experiments.recipe import RECIPES

CPU, TINY = RECIPES["cpu"], RECIPES["tiny"]


@pytest.mark.parametrize("name", POLICIES)
def test_each_policy_makes_a_sampler_of_each_recipe_and_rate(name: str) -> None:
    for recipe in RECIPES.values():
        for rate in (0.5, 0.7):
            sampler = keepset.Sampler(1000, **Method(name).settings(recipe, rate))
            assert sampler.epochs == recipe.epochs
            if takes_rate(name) and name != "kakurenbo":
                assert sampler.total_steps(100) < 10 * recipe.epochs


def test_the_recipe_says_how_often_to_select_and_how_long_to_observe_where_the_policy_does_not() -> None:
    periods = {name: Method(name).settings(CPU, 0.5)["selection_period"] for name in POLICIES}
    own = {"rs2", "info_batch", "info_batch-mean", "seta", "repb", "kakurenbo", "ies"}
    assert {name for name, period in periods.items() if period is None} == own
    assert {period for name, period in periods.items() if name not in own} == {2}
    assert Method("el2n").settings(CPU, 0.5)["policy"].observe_epochs == 2
    assert Method("forgetting").settings(CPU, 0.5)["policy"].observe_epochs == 6


def test_info_batch_draws_from_the_easier_part_alone() -> None:
    settings = Method("info_batch").settings(CPU, 0.64)
    assert settings["policy"].r == pytest.approx(0.8) and settings["prune_rate"] == 0.64
    assert Method("info_batch-mean").settings(CPU, 0.64)["prune_rate"] == 0


def test_options_are_settings_of_the_run() -> None:
    plain = Method("ucb").settings(CPU, 0.5)
    added = {option: Method(f"ucb+{option}").settings(CPU, 0.5).items() - plain.items() for option in OPTIONS}
    assert {option: dict(settings) for option, settings in added.items()} == {
        "tail": {"tail_epochs": 2},
        "notail": {"tail_epochs": 0},
        "weights": {"weights": "on"},
        "meanweight": {"weights": "on"},
        "noweights": {"weights": "off"},
        "scored": {"score_left_out": True},
        "period1": {"selection_period": 1},
        "batchloss": {"score_source": "batch_loss"},
    }
    both = Method("ucb+tail+period1").settings(TINY, 0.5)
    assert both["tail_epochs"] == 1 and both["selection_period"] == 1, "an eighth of the epochs, and one at least"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("best", "'best' is none of full, full-short, static_random"),
        ("full+tail", "'tail' cannot be added"),
        ("ucb+luck", "'luck' cannot be added; what can be is tail, notail, weights"),
        ("reference-ucb+tail", "'tail' cannot be added"),
        ("reference-order_dp", "'reference-order_dp' is none of full, "),
        ("ucb+tail+notail", "'tail' and 'notail' do not go together"),
        ("ucb+batchloss+weights", "'batchloss' and 'weights' do not go together"),
        ("ucb+weights+meanweight", "'weights' and 'meanweight' do not go together"),
        ("ucb+tail+tail", "'tail' and 'tail' do not go together"),
    ],
)
def test_what_is_wrong_with_a_name_is_told(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        Method(name)


def test_some_methods_take_no_rate() -> None:
    without = {name for name in ("full", "full-short", *POLICIES, "ucb+tail", "ies+notail") if not takes_rate(name)}
    assert without == {"full", "info_batch-mean", "seta", "repb", "ies", "ies+notail"}
