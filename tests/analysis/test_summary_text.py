"""The sentences under a table: what was found, how sure, over how many comparisons."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stackcli.analysis import sign_flip
from stackcli.analysis.study_comparisons import LEANING, all_comparisons
from stackcli.analysis.study_data import Frames
from stackcli.analysis.summary_text import summary_sentences
from tests.analysis.test_tables import FACTS, frames

ITEMS = 150  # of the test part


def answered(study: Frames, bag: float = 0.81, *, alike: bool = True) -> Frames:
    """The study with the answers to each test item: easy items are answered by all, hard ones by none. What the bag of
    words finds easy is the same, or has nothing to do with it."""
    runs = study.runs.copy()
    runs["test_right"] = [("1" * round(acc * ITEMS)).ljust(ITEMS, "0")[:ITEMS] for acc in runs["test_acc"]]
    items = np.arange(ITEMS) if alike else np.random.default_rng(0).permutation(ITEMS)
    right = "".join("01"[int(i) < round(bag * ITEMS)] for i in items)
    facts = {"subjects": {**FACTS["subjects"], "tfidf_acc": bag, "tfidf_right": right}}
    return replace(study, runs=runs, facts=facts)


def said(study: Frames) -> str:
    return " ".join(summary_sentences(study))


def test_the_sentences_say_what_was_found_and_how_sure() -> None:
    text = said(answered(frames(), bag=0.8))
    assert "Depth 16 has the highest mean test accuracy of 1, 2, 4, 8, 16" in text
    assert "Depth 16 against depth 1: leaning better (+0.1" in text
    assert "Depth 16 beats a bag of words (TF-IDF + logistic regression, 0.800)." in text
    assert "leans: it grows" in text and "16.0 times that of depth 1" in text and "exploratory" not in text


def test_every_comparison_of_a_study_is_in_one_family_and_counted() -> None:
    one = said(answered(frames()))  # 4 depths against depth 1, the gap of the ends, 5 depths against the bag of words
    assert "over 3 seeds at a fixed split; 10 comparisons, Holm-corrected; 3 seeds are too few to call a stack" in one
    assert "better than another (9 can). Of paired differences they are t intervals. Against the bag of words" in one
    assert "Leaning is not corrected: chance alone would bring about 0.5 such words in 10." in one
    two = said(answered(frames(("depth", "residual"), ("pre", "post"))))
    assert "20 comparisons, Holm-corrected; 3 seeds are too few" in two and "(10 can)" in two
    assert "With residual=pre, depth 16" in two and "With residual=post, depth 16" in two


def test_without_answers_to_items_nothing_is_said_of_the_bag_but_that() -> None:
    text = said(frames())
    assert "Depth 16 against a bag of words (TF-IDF + logistic regression, 0.810): not tested" in text
    assert "; 5 comparisons, Holm-corrected" in text and "min F'" not in text


def test_a_verdict_of_better_needs_the_seeds_that_the_whole_family_needs() -> None:
    def study(seeds: int, bag: float, *, alike: bool) -> str:
        found = frames()
        rows = [found.runs[found.runs["seed"] == 0].assign(seed=s) for s in range(seeds)]
        runs = pd.concat(rows, ignore_index=True)
        runs["test_acc"] += runs["seed"] * 1e-4 * runs["depth"]
        return said(answered(replace(found, runs=runs), bag, alike=alike))

    assert sign_flip.claim_seeds(10) == 9
    eight, nine = (study(seeds, 0.79, alike=False) for seeds in (8, 9))
    assert "against depth 1: leaning better" in eight and "8 seeds are too few to call a stack better" in eight
    assert "Depth 16 against depth 1: better" in nine and "9 seeds are enough to call a stack better" in nine
    assert "those that the sign-flip test inverts" in nine and "t intervals" not in nine
    passed = study(8, 0.6, alike=True)  # all five differ from the bag of words, so that Holm corrects the rest for five
    assert sign_flip.claim_seeds(5) == 8 and "8 seeds are enough to call a stack better" in passed
    assert "Depth 16 against depth 1: better" in passed


def test_a_point_with_a_run_that_diverged_is_never_called_best() -> None:
    text = said(frames(diverged=1))
    assert "1 of 15 runs diverged, and stand in no mean: depth=16 (1)." in text
    assert "Depth 8 has the highest mean test accuracy of 1, 2, 4, 8 (" in text
    assert "Intervals are over 2 to 3 seeds" in text


def test_one_seed_gives_no_interval_and_no_claim() -> None:
    found = frames()
    text = said(replace(found, runs=found.runs[found.runs["seed"] == 0]))
    assert (
        "nan" not in text
        and "one pair cannot tell" in text
        and "1 seed at a fixed split, too few for an interval" in text
    )


def test_a_bag_of_words_that_is_better_than_all_is_said_to_be() -> None:
    text = said(answered(frames(), bag=0.98))
    assert "A bag of words (TF-IDF + logistic regression, 0.980) is better than every stack here." in text
    without = replace(frames(), facts={"subjects": {**FACTS["subjects"], "tfidf_acc": None}})
    assert "bag of words" not in said(without)


def test_where_train_losses_differ_the_gap_is_also_told_at_a_matched_loss() -> None:
    found, rows = frames(), []
    found.runs.loc[found.runs["depth"] == 16, "train_loss_end"] = 0.2
    for run, depth in zip(found.runs["run"], found.runs["depth"], strict=True):
        for step, loss in ((1, 1.0), (2, 0.2 if depth == 16 else 0.05)):
            rows.append({"run": run, "step": step, "train_loss": loss, "val_loss": loss + 0.1 * depth})
    text = said(replace(found, curve=pd.DataFrame(rows)))
    assert "at a matched train loss of 0.200 nats it is 0.10 and 1.60" in text
    assert "matched" not in said(frames())


def test_nothing_finished_is_said() -> None:
    found = frames()
    found.runs["status"] = "missing"
    assert said(found).endswith("No run has finished, so nothing was found.")


def test_a_switch_is_written_as_it_is_typed() -> None:
    found = frames(("residual",), ("pre", "post"))
    runs = found.runs[found.runs["depth"] == 4].drop(columns="residual")
    runs["causal"] = [True] * 3 + [False] * 3
    runs.loc[runs["causal"], "test_acc"] += 0.2
    text = said(answered(replace(found, axes=("causal",), runs=runs)))
    assert text.startswith("causal=true has the highest mean test accuracy of true, false (0.9")
    assert "causal=true beats a bag of words" in text


def test_a_part_without_the_swept_setting_is_compared_too() -> None:
    found = frames(("residual",), ("pre", "post", "none"))
    runs = found.runs[found.runs["depth"] == 4].drop(columns="residual")
    runs["pe.clip"] = [float("nan")] * 3 + [4.0] * 3 + [8.0] * 3
    runs.loc[runs["pe.clip"].isna(), "test_acc"] += 0.2
    text = said(answered(replace(found, axes=("pe.clip",), runs=runs)))
    assert text.startswith("pe.clip=- has the highest mean test accuracy of -, 4, 8 (0.9")
    assert "pe.clip=- beats a bag of words" in text


def test_a_run_that_never_learns_gives_no_matched_loss() -> None:
    found, rows = frames(), []
    found.runs.loc[found.runs["depth"] == 16, "train_loss_end"] = 1.4
    for run, depth in zip(found.runs["run"], found.runs["depth"], strict=True):
        for step, loss in ((0, 1.4), (1, 1.5 if depth == 16 else 0.05)):
            rows.append({"run": run, "step": step, "train_loss": loss, "val_loss": loss})
    text = said(replace(found, curve=pd.DataFrame(rows)))
    assert "not every run has left the train loss of guessing" in text and "nats it is" not in text


def null(draw: np.random.Generator, seeds: int, items: int = 334) -> Frames:
    """Five depths whose expected accuracies and gaps are equal, and equal to the bag's; runs of one seed share half of
    the variance of seeds, and all share which items are hard."""
    chance = 1 / (1 + np.exp(-2.25 - draw.normal(size=items)))
    slope = chance * (1 - chance) / (chance * (1 - chance)).mean()
    common, rows = draw.normal(size=(2, seeds)), []
    for depth in (1, 2, 4, 8, 16):
        for seed in range(seeds):
            acc, gap = (common[:, seed] + draw.normal(size=2)) * 0.5**0.5
            right = draw.random(items) < chance + 0.012 * acc * slope
            row = {"run": f"{depth}/{seed}", "arm": "", "point": f"depth={depth}", "status": "done", "depth": depth}
            row |= {"data": "subjects", "seed": seed, "test_acc": right.mean(), "gap_end": 0.5 + 0.05 * gap}
            rows.append(row | {"test_right": "".join("01"[bool(x)] for x in right)})
    bag = draw.random(items) < chance
    facts = {"tfidf_acc": float(bag.mean()), "tfidf_right": "".join("01"[bool(x)] for x in bag)}
    return replace(frames(), runs=pd.DataFrame(rows), facts={"subjects": facts})


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 9])
def test_where_nothing_differs_the_words_are_as_rare_as_they_are_said_to_be(seeds: int) -> None:
    draw, leaning, claims = np.random.default_rng(seeds), [], []
    for _ in range(120):
        part = all_comparisons(null(draw, seeds))[0]
        kinds = [kind for table in (part.accuracy, part.gap, part.bag) for kind in table["kind"]]
        assert len(kinds) == 10
        leaning.append(sum(kind in LEANING for kind in kinds))
        claims.append(any(kind in ("better", "worse") for kind in kinds))
    assert 0.1 < np.mean(leaning) < 0.5 + 0.25  # 0.5 such words in 10, and three standard errors
    assert 0.1 < np.mean(np.array(leaning) > 0) < 0.42 and np.mean(claims) < 0.05 + 0.06
