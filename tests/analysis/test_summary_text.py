"""The sentences under a table: what was found, how sure, over how many comparisons."""

from dataclasses import replace

import pandas as pd

from stackcli.analysis import sign_flip
from stackcli.analysis.certainty import describe_certainty
from stackcli.analysis.study_data import Frames
from stackcli.analysis.summary_text import summary_sentences
from tests.analysis.examples import FACTS, answered, depth_study


def said(study: Frames) -> str:
    return " ".join(summary_sentences(study))


def test_the_sentences_say_what_was_found_and_how_sure() -> None:
    text = said(answered(depth_study(), bag=0.8))
    assert "Depth 16 has the highest mean test accuracy, 0.861 (depth 1: 0.711, depth 2: 0.717, " in text
    assert "Depth 16 against depth 1: leaning better (difference +0.1" in text
    assert "Depth 16 beats a bag of words (TF-IDF + logistic regression, 0.800)." in text
    assert "grows (leaning)" in text and "16.0 times that of depth 1" in text and "exploratory" not in text


def test_each_choice_of_the_other_axes_has_sentences_of_its_own() -> None:
    text = said(answered(depth_study(("depth", "residual"), ("pre", "post"))))
    assert "With residual=pre, depth 16" in text and "With residual=post, depth 16" in text


def test_the_last_sentence_says_how_sure_the_study_is() -> None:
    found = answered(depth_study())
    assert summary_sentences(found)[-1] == describe_certainty(found)


def test_without_answers_to_items_the_bag_of_words_is_not_tested() -> None:
    text = said(depth_study())
    assert "Depth 16 against a bag of words (TF-IDF + logistic regression, 0.810): not tested" in text
    assert "; 5 comparisons, Holm-corrected" in text and "min F'" not in text


def test_a_verdict_of_better_needs_the_seeds_that_the_whole_family_needs() -> None:
    def study(seeds: int, bag: float, *, alike: bool) -> str:
        found = depth_study()
        rows = [found.runs[found.runs["seed"] == 0].assign(seed=s) for s in range(seeds)]
        runs = pd.concat(rows, ignore_index=True)
        runs["test_acc"] += runs["seed"] * 1e-4 * runs["depth"]
        return said(answered(replace(found, runs=runs), bag, alike=alike))

    assert sign_flip.claim_seeds(10) == 9
    eight, nine = (study(seeds, 0.79, alike=False) for seeds in (8, 9))
    assert "against depth 1: leaning better" in eight and "8 seeds are too few to call a stack better" in eight
    assert "Depth 16 against depth 1: better" in nine and "9 seeds are enough to call a stack better" in nine
    assert "those obtained by inverting the sign-flip test" in nine and "t intervals" not in nine
    passed = study(8, 0.6, alike=True)  # all five differ from the bag of words, so that Holm corrects the rest for five
    assert sign_flip.claim_seeds(5) == 8 and "8 seeds are enough to call a stack better" in passed
    assert "Depth 16 against depth 1: better" in passed


def test_a_point_with_a_run_that_diverged_is_never_called_best() -> None:
    text = said(depth_study(diverged=1))
    assert "1 of 15 runs diverged (left out of every mean): depth=16 (1)." in text
    assert "Depth 8 has the highest mean test accuracy, 0.779 (" in text
    assert "depth 4: 0.742); not ranked, as a run did not finish: depth 16." in text
    assert "Intervals are over 2 to 3 seeds" in text


def test_a_bag_of_words_that_is_better_than_every_stack_is_named() -> None:
    text = said(answered(depth_study(), bag=0.98))
    assert "A bag of words (TF-IDF + logistic regression, 0.980) is better than every stack here." in text
    without = replace(depth_study(), facts={"subjects": {**FACTS["subjects"], "tfidf_acc": None}})
    assert "bag of words" not in said(without)


def test_where_train_losses_differ_the_gap_at_a_matched_loss_is_given_too() -> None:
    found, rows = depth_study(), []
    found.runs.loc[found.runs["depth"] == 16, "train_loss_end"] = 0.2
    for run, depth in zip(found.runs["run"], found.runs["depth"], strict=True):
        for step, loss in ((1, 1.0), (2, 0.2 if depth == 16 else 0.05)):
            rows.append({"run": run, "step": step, "train_loss": loss, "val_loss": loss + 0.1 * depth})
    text = said(replace(found, curve=pd.DataFrame(rows)))
    assert "where both have a train loss of 0.200 nats it is 0.10 and 1.60" in text
    assert "where both have" not in said(depth_study())


def test_a_study_without_a_finished_run_says_so() -> None:
    found = depth_study()
    found.runs["status"] = "missing"
    assert said(found).endswith("No run has finished, so there is nothing to report.")


def test_a_switch_is_written_as_it_is_typed() -> None:
    found = depth_study(("residual",), ("pre", "post"))
    runs = found.runs[found.runs["depth"] == 4].drop(columns="residual")
    runs["causal"] = [True] * 3 + [False] * 3
    runs.loc[runs["causal"], "test_acc"] += 0.2
    text = said(answered(replace(found, axes=("causal",), runs=runs)))
    assert text.startswith("causal=true has the highest mean test accuracy, 0.9")
    assert "causal=true beats a bag of words" in text


def test_a_part_without_the_swept_setting_is_compared_too() -> None:
    found = depth_study(("residual",), ("pre", "post", "none"))
    runs = found.runs[found.runs["depth"] == 4].drop(columns="residual")
    runs["pe.clip"] = [float("nan")] * 3 + [4.0] * 3 + [8.0] * 3
    runs.loc[runs["pe.clip"].isna(), "test_acc"] += 0.2
    text = said(answered(replace(found, axes=("pe.clip",), runs=runs)))
    assert text.startswith("pe.clip=- has the highest mean test accuracy, 0.9")
    assert "pe.clip=- beats a bag of words" in text


def test_a_run_that_never_learns_gives_no_matched_loss() -> None:
    found, rows = depth_study(), []
    found.runs.loc[found.runs["depth"] == 16, "train_loss_end"] = 1.4
    for run, depth in zip(found.runs["run"], found.runs["depth"], strict=True):
        for step, loss in ((0, 1.4), (1, 1.5 if depth == 16 else 0.05)):
            rows.append({"run": run, "step": step, "train_loss": loss, "val_loss": loss})
    text = said(replace(found, curve=pd.DataFrame(rows)))
    assert "some runs never got below the train loss of guessing" in text and "nats it is" not in text
