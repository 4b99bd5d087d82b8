"""Explanations of a trained run."""

import json
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import spearmanr

from stackcli.config.method_settings import method_settings
from stackcli.experiment import explain, trained_run


def ask(*names: str, **more: Any) -> explain.Asked:
    return explain.Asked(method_settings(names), **more)


def test_texts_of_a_batch_are_explained_as_they_are_alone_and_in_their_order(opened: trained_run.Run) -> None:
    items = trained_run.items_of_texts(opened, ["text number 3 about dogs", "cats", "about cats"])
    both = list(explain.explain_items(opened, items, ask("cp_lrp", "occlusion")))
    assert [found.item for found in both] == items
    for item, found in zip(items, both, strict=True):
        (alone,) = explain.explain_items(opened, [item], ask("cp_lrp", "occlusion"))
        for name, scores in found.scores.items():
            assert scores.tokens == pytest.approx(alone.scores[name].tokens, abs=1e-10)
            for key in ("deletion", "insertion", "comprehensiveness", "sufficiency"):
                assert getattr(scores, key) == pytest.approx(getattr(alone.scores[name], key), abs=1e-10), key
        for look, same in zip(found.heads, alone.heads, strict=True):
            assert look["offsets"] == pytest.approx(same["offsets"], abs=1e-10)
            assert look["entropy"] == pytest.approx(same["entropy"], abs=1e-10)


def test_the_class_to_explain_can_be_chosen(opened: trained_run.Run) -> None:
    items = trained_run.items_of_texts(opened, ["about cats"])
    cat, dog = (next(explain.explain_items(opened, items, ask("cp_lrp", target=name))) for name in ("cat", "dog"))
    assert cat.explained == "cat" and dog.explained == "dog" and cat.logit > dog.logit
    assert cat.scores["cp_lrp"].tokens[1] > 0 > dog.scores["cp_lrp"].tokens[1]


def test_a_row_can_be_written_as_json(opened: trained_run.Run) -> None:
    (found,) = explain.explain_items(
        opened, trained_run.items_of_texts(opened, ["about cats"]), ask("gradient", "rollout")
    )
    row = json.loads(json.dumps(found.row))
    assert row["methods"]["rollout"]["positions"] is None and row["methods"]["gradient"]["signed"]


def test_what_is_read_off_after_the_last_layer_is_the_answer_and_each_layer_ranks_all_classes(
    opened: trained_run.Run,
) -> None:
    items = trained_run.items_of_texts(opened, ["text number 3 about dogs", "about cats"])
    for found in explain.explain_items(opened, items, ask("gradient")):
        lens = found.row["lens"]
        assert len(lens) == opened.config.depth + 1 and lens[-1] == pytest.approx(found.shares, abs=1e-12)
        assert list(lens[-1]) == list(found.shares)
        for shares in lens:
            assert sum(shares.values()) == pytest.approx(1) and list(shares.values()) == sorted(shares.values())[::-1]
        assert lens[0] != pytest.approx(lens[-1], abs=1e-3)


def test_agreement_is_the_mean_rank_correlation_with_the_other_methods(opened: trained_run.Run) -> None:
    names = ("cp_lrp", "occlusion", "rollout")
    (found,) = explain.explain_items(
        opened, trained_run.items_of_texts(opened, ["text number 3 about dogs"]), ask(*names)
    )
    numbers = {name: found.scores[name].tokens for name in names}
    plain = spearmanr(numbers["cp_lrp"], numbers["occlusion"]).statistic
    absolute = [spearmanr([abs(x) for x in numbers[name]], numbers["rollout"]).statistic for name in names[:2]]
    assert found.agreement["cp_lrp", "occlusion"] == pytest.approx(plain)
    assert found.scores["cp_lrp"].agreement == pytest.approx((plain + absolute[0]) / 2)
    assert found.scores["rollout"].agreement == pytest.approx(sum(absolute) / 2)


def test_a_method_with_a_baseline_is_compared_with_itself_from_the_other_baseline(opened: trained_run.Run) -> None:
    items = trained_run.items_of_texts(opened, ["text number 3 about dogs"])
    (found,) = explain.explain_items(opened, items, ask("integrated", "cp_lrp"))
    mean = explain.Asked(method_settings(["integrated"], ["integrated.baseline=mean"]))
    (other,) = explain.explain_items(opened, items, mean)
    expected = spearmanr(found.scores["integrated"].tokens, other.scores["integrated"].tokens).statistic
    assert found.scores["integrated"].baseline == "zero" and other.scores["integrated"].baseline == "mean"
    assert found.scores["integrated"].other_baseline == {"mean": pytest.approx(expected)}
    assert found.scores["cp_lrp"].baseline is None and not found.scores["cp_lrp"].other_baseline


def test_with_fresh_weights_everywhere_nothing_is_left_of_an_explanation(opened: trained_run.Run) -> None:
    items = [i for i in trained_run.items_of_test(opened, range(8)) if len(i.tokens) > 3]
    found = list(explain.explain_items(opened, items, ask("occlusion", "cp_lrp", sanity=2)))
    for name in ("occlusion", "cp_lrp"):
        sanity = found[0].scores[name].sanity
        assert list(sanity) == ["classifier", *(f"layer {i}" for i in range(opened.config.depth, 0, -1)), "input"]
        last = [one.scores[name].sanity["input"] for one in found]
        assert abs(sum(x for x in last if x is not None) / len(last)) < 0.5
    assert all(one.controls["random"]["sanity"] == pytest.approx(1) for one in found)


def test_an_explanation_is_kept_under_the_name_of_its_text_and_class(opened: trained_run.Run, tmp_path: Path) -> None:
    items = trained_run.items_of_texts(opened, ["about cats", "about dogs"])
    paths = [explain.save_explanation(one, tmp_path) for one in explain.explain_items(opened, items, ask("gradient"))]
    assert len(set(paths)) == 2 and json.loads(paths[0].read_text())["text"] == "about cats"
