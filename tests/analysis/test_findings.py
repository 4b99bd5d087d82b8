import io
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from stackcli.analysis import depth_effect, findings, findings_text, remedy_catalogue
from stackcli.analysis.study_data import Frames
from stackcli.config import grid
from stackcli.experiment import remedy_trials
from tests.analysis.test_run_health import FLAT, run, study
from tests.constructed import CASES, frames

ONE, FIVE = (0,), (100, 101, 102, 103, 104)


@pytest.mark.parametrize("name", CASES)
def test_a_constructed_stack_shows_its_finding_and_no_other(name: str) -> None:
    raised(name, ONE)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_constructed_stack_shows_its_finding_and_no_other_in_each_of_five_seeds(name: str) -> None:
    raised(name, FIVE)


def raised(name: str, seeds: tuple[int, ...]) -> None:
    found = findings.findings(frames(name, seeds))
    assert {f.name: f.seeds for f in found} == dict.fromkeys(CASES[name].found, (len(seeds), len(seeds)))


# ---- what is said of a finding


def typed(*words: str) -> Mapping[str, Any]:
    """Every setting of a run but its seed, as a study stores it."""
    flat = grid.parse_grid([*words, "seeds=1"]).configs[0].flat()
    return {key: value for key, value in flat.items() if key != "seed"}


def named(name: str, frames: Frames) -> findings.Finding:
    return next(f for f in findings.findings(frames) if f.name == name)


def test_a_finding_counts_the_runs_that_have_it_and_shows_their_median() -> None:
    each = [0.002, 0.001, 0.004, 0.3, 0.3]
    faulty = [run(FLAT, seed=i, rank=rank, settings=typed("data=majority")) for i, rank in enumerate(each)]
    broken = run((1.4,), seed=5, settings={**typed("data=majority"), "status": "lost"})
    found = named("rank collapse", study(*faulty, broken))
    assert (found.value, found.threshold, found.seeds) == (0.002, 0.005, (3, 5))
    assert "0.002" in found.evidence and "0.005" in found.evidence


def test_points_stand_in_the_order_of_the_study_and_the_gravest_finding_first() -> None:
    rows = [run(FLAT, point="b", rank=1e-9, gradient=1e-9), run(point="a", gap=1.0), run(point="c")]
    rows = [{**r, "row": {**typed("data=majority"), **r["row"]}} for r in rows]
    assert [(f.point, f.name) for f in findings.findings(study(*rows))] == [
        ("b", "vanishing gradient"),
        ("b", "rank collapse"),
        ("a", "overfitting"),
    ]


VARIANTS = [
    ("residual=post",),
    ("residual=none", "norm=none"),
    ("residual=none", "warmup=0.2", "init=xavier"),
    ("residual=pre", "norm=none", "clip=0"),
    ("residual=post", "init=gpt2", "weight_decay=0.2", "attention_dropout=0.1"),
    ("residual=pre", "init=small", "dropout=0.3", "layer_drop=0.2", "patience=3", "data.size=500"),
    ("data=majority", "depth=1", "steps=300", "lr=0.5"),
]


@pytest.mark.parametrize("words", VARIANTS, ids=" ".join)
@pytest.mark.parametrize(
    ("name", "value"), [*((name, 1e-4) for name in remedy_catalogue.CURES), ("exploding gradient", 1e4)]
)
def test_every_remedy_is_a_setting_of_this_tool_that_the_run_does_not_have(
    words: tuple[str, ...], name: str, value: float
) -> None:
    row = typed(*words)
    for remedy in remedy_catalogue.remedies(name, row, value):
        changed = dict(word.partition("=")[::2] for word in remedy.words)
        kept = [word for word in words if word.partition("=")[0] not in changed]
        treated = typed(*kept, *remedy.words)
        assert {key: row[key] for key in changed} != {key: treated[key] for key in changed}, remedy


def test_more_data_is_tried_first_where_there_is_more_and_every_regulariser_is_among_the_first() -> None:
    def tried(*words: str) -> list[str]:
        return [r.words[0] for r in remedy_catalogue.remedies("overfitting", typed(*words), 0.7)][: remedy_trials.MOST]

    whole = ["dropout=0.3", "weight_decay=0.1", "attention_dropout=0.1", "layer_drop=0.2", "patience=2"]
    assert tried("depth=4")[:5] == whole
    assert tried("depth=4", "data.size=400")[0] == tried("data=digits", "data.size=200")[0] == "data.size=0"
    assert tried("data=majority", "data.size=512")[0] == "data.size=1024"


def test_no_remedy_is_offered_that_the_tool_refuses() -> None:
    def tried(finding: str, *words: str, value: float = 1e-4) -> list[tuple[str, ...]]:
        return [r.words for r in remedy_catalogue.remedies(finding, typed(*words), value)]

    assert ("layer_drop=0.2",) not in tried("overfitting", "residual=sandwich", "depth=4")
    assert ("share_layers=true",) not in tried("overfitting", "residual=admin", "depth=4")
    assert ("share_layers=true",) not in tried("overfitting", "share_layers=true", "depth=4")
    assert ("residual=admin",) not in tried("vanishing gradient", "residual=post", "share_layers=true")
    assert tried("vanishing gradient", "init=tfixup")[0] == ("norm=layer", "init=default")
    assert tried("undertuned learning rate", value=0.0) == [("lr=0.001",)]


def test_a_learning_rate_is_changed_by_what_the_updates_lack() -> None:
    low = [r.words[0] for r in remedy_catalogue.remedies("undertuned learning rate", typed("lr=1e-5"), 3e-5)]
    assert low[:2] == ["lr=0.001", "lr=0.003"]  # a hundred and three hundred times as large
    high = [r.words[0] for r in remedy_catalogue.remedies("undertuned learning rate", typed("lr=1"), 0.9)]
    assert high[:2] == ["lr=0.003", "lr=0.001"]


def test_rates_are_rounded_to_one_and_three() -> None:
    pairs = {0.00042: "0.0003", 0.0018: "0.003", 0.0017: "0.001", 0.9: "1", 1e-5: "1e-05", 6.0: "10", 2.9e-4: "0.0003"}
    assert {value: remedy_catalogue.round_rate(value) for value in pairs} == pairs


def test_the_command_trains_the_point_again_with_the_remedy_and_nothing_else_changed() -> None:
    words = ("data=majority", "data.letters=3", "steps=30", "depth=2,4", "residual=post,none", "seed=5", "seeds=2")
    configs = grid.parse_grid(words).configs
    rows = [
        {**run(FLAT), "row": {**run(FLAT, point=f"{c.depth} {c.residual.name}")["row"], **c.flat()}} for c in configs
    ]
    whole = replace(study(*rows), axes=("depth", "residual"), overrides=words)
    line = findings_text.rerun_command(whole, "4 post", ("residual=pre",))
    assert line.startswith("stackattn sweep ")
    again = grid.parse_grid(shlex.split(line)[2:]).configs
    before = [c for c in configs if c.depth == 4 and c.residual.name == "post"]
    assert [c.flat() for c in again] == [{**c.flat(), "residual": "pre"} for c in before]


def test_the_own_keys_of_a_part_that_is_exchanged_go_with_it() -> None:
    words = ("data=majority", "residual=deepnorm", "residual.alpha=2")
    whole = replace(study({**run(), "row": {**run()["row"], **typed(*words)}}), overrides=words)
    assert findings_text.rerun_command(whole, "", ("residual=pre",)) == "stackattn sweep data=majority residual=pre"
    assert "residual.alpha=2" in findings_text.rerun_command(whole, "", ("lr=0.01",))


def test_the_command_of_an_experiment_s_arm_is_that_of_its_line() -> None:
    row = {**run()["row"], "arm": "two layers", "point": "two layers", **typed("data=recall")}
    whole = replace(
        study({**run(), "row": row}),
        axes=("arm",),
        overrides=("one layer: data=recall depth=1", "two layers: data=recall depth=2 lr=0.002"),
    )
    line = findings_text.rerun_command(whole, "two layers", ("lr=0.001",))
    assert line == "stackattn sweep data=recall depth=2 lr=0.001"


def test_settings_chosen_for_a_point_stand_in_its_command() -> None:
    whole = study({**run(), "row": {**run()["row"], **typed("dim=48", "depth=4")}})
    whole = replace(whole, axes=("depth",), chosen=("dim",), overrides=("depth=1,4", "match=params"))
    assert findings_text.rerun_command(whole, "", ("lr=0.01",)) == "stackattn sweep depth=4 dim=48 lr=0.01"


def two() -> Frames:
    """A affected point and one that overfits."""
    faulty = [run(FLAT, point="depth=16 residual=post", seed=s, rank=1e-4, gradient=1e-3) for s in range(3)]
    other = [run(point="depth=16 residual=pre", seed=s, gap=1.0) for s in range(3)]
    rows = []
    for r in (*faulty, *other):
        name = "post" if r in faulty else "pre"
        own = {**typed("depth=16", f"residual={name}", "data=majority"), "flops_len": 8}
        rows.append({**r, "row": {**own, **r["row"], "depth": 16, "residual": name}})
    return replace(study(*rows), axes=("depth", "residual"), overrides=("depth=16", "data=majority"))


def test_the_table_is_eighty_columns_wide_and_cuts_nothing() -> None:
    out = Console(width=80, file=io.StringIO())
    found = findings.findings(two())
    out.print(findings_text.findings_table(found, two().runs))
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for cell in ("residual=post ", "overfitting", "3 of 3", ".44–1.00", "residual=pre", "data.size="):
        assert cell in text, cell


def test_the_frame_has_a_row_for_each_remedy_with_its_command_and_the_wilson_interval() -> None:
    whole = two()
    found = findings.findings(whole)
    table = findings_text.findings_frame(found, whole)
    assert len(table) == sum(len(f.remedies) for f in found) > len(found) == 3
    # Wilson 1927 with z = 1.96: 3 of 3 is 3 / (3 + z^2) to 1
    assert table["low"].tolist() == pytest.approx([3 / (3 + 1.959964**2)] * len(table), abs=1e-6)
    assert table["high"].tolist() == pytest.approx([1.0] * len(table))
    assert all(line.endswith(f" {words}") for line, words in zip(table["command"], table["remedy"], strict=True))


def test_a_finding_at_many_points_is_shown_once_and_the_other_points_named() -> None:
    def at(points: str) -> Frames:
        each = [(FLAT, {"gap": 1.0} if p == "a" else {"rank": 1e-9}) for p in points]
        runs = [run(*([] if "gap" in k else [c]), point=p, **k) for p, (c, k) in zip(points, each, strict=True)]
        return study(*({**r, "row": {**typed("data=majority"), **r["row"]}} for r in runs))

    def shown(frames: Frames) -> str:
        out = Console(width=80, file=io.StringIO())
        out.print(findings_text.findings_table(findings.findings(frames), frames.runs))
        return out.file.getvalue()  # type: ignore[attr-defined, no-any-return]

    few, many = at("abcd"), at("abcde")
    assert (
        shown(few).count("rank residual") == 3
        and "also at" not in findings_text.describe_findings(findings.findings(few), few)[0]
    )
    found = findings.findings(many)
    assert len(found) == 5 and len(findings_text.findings_frame(found, many)["point"].unique()) == 5
    assert shown(many).count("rank residual") == 1 and shown(many).count("overfitting") == 2  # its source is named too
    (said,) = [text for text in findings_text.describe_findings(found, many) if "also at" in text]
    worst = next(line.split()[0] for line in shown(many).splitlines() if "rank" in line)
    assert said == f"Rank collapse also at {', '.join(p for p in 'bcde' if p != worst)}; findings.csv has all."


def test_that_nothing_was_found_is_said() -> None:
    well = study(run(), run(seed=1))
    assert findings_text.findings_table([], well.runs).row_count == 0 and findings_text.titled_findings(well) == []
    assert findings_text.describe_findings([], well) == [
        "No finding: all 2 runs learnt what can be learnt, and what they learnt holds."
    ]
    part = study(run(point="a"), {**run(FLAT, point="b"), "row": {**typed(), **run(FLAT, point="b")["row"]}})
    assert findings_text.describe_findings(findings.findings(part), part)[0] == "No finding at a."


def deep(
    val: Mapping[int, float], train: Mapping[int, float], seeds: int = 5, each: Sequence[float] | None = None
) -> str:
    """What is said of depths whose losses at the end these are, give or take two hundredths; `each`: what the deepest
    stack's train loss is above the shallowest's in each seed, while its validation loss stays."""
    rows = []
    for depth in val:
        for seed in range(seeds):
            r = run(point=f"depth={depth}", seed=seed, settings={"depth": depth})
            near = 0.02 * math.sin(1 + seed * depth)
            ends = {"val_loss_end": val[depth] + near, "train_loss_end": train[depth]}
            if each and depth == max(val):
                ends["train_loss_end"] = train[min(val)] + each[seed]
            rows.append({**r, "row": {**r["row"], **ends}})
    (text,) = depth_effect.describe_depth_effect(replace(study(*rows), axes=("depth",)))
    return text


def test_what_depth_costs_is_told_apart_into_train_loss_and_gap() -> None:
    fails = deep({1: 0.5, 4: 0.6, 16: 1.1}, {1: 0.1, 4: 0.1, 16: 0.9})
    assert "optimisation fails" in fails and "+0.80 by the train loss" in fails and "against the best, depth 1" in fails
    overfits = deep({1: 0.5, 16: 0.8}, {1: 0.1, 16: 0.05})
    assert "overfits" in overfits and "-0.05 by the train loss and +0.35 by the gap" in overfits
    most = deep({1: 0.5, 16: 1.1}, {1: 0.1, 16: 0.58})  # 0.48 of 0.6
    assert "optimisation fails" in most and "not the generalisation" in most
    assert "not separated over 5 seeds" in deep({1: 0.5, 16: 0.51}, {1: 0.1, 16: 0.1})
    assert "that of the deepest stack, 16 blocks" in deep({1: 0.5, 16: 0.3}, {1: 0.1, 16: 0.05})


def test_a_cause_is_told_where_its_own_interval_says_so() -> None:
    both = deep({1: 0.5, 16: 1.5}, {1: 0.1, 16: 0.6})  # half by each
    assert "optimisation fails" in both and "overfits more" in both
    assert "(not corrected for the other comparisons)" in both
    unsure = deep({1: 0.5, 16: 0.93}, {1: 0.1, 16: 0.53}, each=(0.9, -0.05, 0.45, 0.9, -0.05))
    assert "is not separated" in unsure and "fails" not in unsure and "overfits" not in unsure


def test_a_deepest_stack_of_which_no_run_is_done_is_named() -> None:
    rows = [run(point=f"depth={d}", seed=s, settings={"depth": d}) for d in (1, 4, 16) for s in (0, 1)]
    whole = replace(study(*rows), axes=("depth",))
    runs = whole.runs.assign(status=whole.runs["status"].mask(whole.runs["depth"] == 16, "failed"))
    (text,) = depth_effect.describe_depth_effect(replace(whole, runs=runs))
    assert text == "The deepest stack, 16 blocks, has no run that is done, so its cost is not known."
    assert findings_text.describe_findings([], replace(whole, runs=runs))[0] == (
        "No finding: the 4 runs that finished learnt what can be learnt, and what they learnt holds; 2 did not finish."
    )


def test_one_seed_separates_nothing() -> None:
    assert "not separated over 1 seed." in deep({1: 0.5, 16: 1.5}, {1: 0.1, 16: 1.0}, seeds=1)
    two = deep({1: 0.5, 16: 1.5}, {1: 0.1, 16: 1.0}, seeds=2)
    assert "not separated over 2 seeds." in two and "interval" not in two


def rates(val: Mapping[float, float]) -> Frames:
    rows = []
    for lr, loss in val.items():
        for seed in range(3):
            r = run(point=f"lr={lr:g}", seed=seed, settings={**typed("data=majority"), "lr": lr, "flops_len": 8})
            rows.append({**r, "row": {**r["row"], "val_loss": loss + 0.01 * seed}})
    return replace(study(*rows), axes=("lr",))


def test_the_best_of_several_rates_at_their_end_is_a_finding() -> None:
    (only,) = findings.findings(rates({0.001: 0.3, 0.003: 0.2, 0.01: 0.1}))
    assert (only.point, only.name, only.seeds) == ("lr=0.01", "undertuned learning rate", (3, 3))
    assert only.remedies[0].words == ("lr=0.03",)
    assert findings.findings(rates({0.001: 0.3, 0.003: 0.1, 0.01: 0.2})) == []
    assert findings.findings(rates({0.001: 0.3, 0.01: 0.2})) == []  # of two one is always at an end


def test_a_rate_that_diverged_somewhere_is_not_the_best() -> None:
    whole = rates({0.001: 0.3, 0.003: 0.2, 0.01: 0.1})
    gone = (whole.runs["lr"] == 0.01) & (whole.runs["seed"] == 1)
    rows = whole.runs.assign(status=whole.runs["status"].mask(gone, "diverged"))
    rows = rows.assign(diverged_step=pd.to_numeric(rows["diverged_step"]).mask(gone, 9))
    assert [f.name for f in findings.findings(replace(whole, runs=rows))] == ["divergence"]


def test_each_seed_is_judged_by_its_own_threshold_and_the_evidence_says_so() -> None:
    from stackcli.analysis.run_health import Sign

    runs = [run(seed=i, gap=gap, settings=typed("data=majority")) for i, gap in enumerate((0.9, 1.0, 1.1))]
    rows = list(findings.run_health.completed_runs(study(*runs)))
    signs = [Sign(0.9, 0.3, 100.0), Sign(1.0, 0.4, 100.0), Sign(1.1, 0.5, 100.0)]
    made = findings._finding("overfitting", "", list(zip(rows, signs, strict=True)), 3)
    assert (made.value, made.threshold, made.seeds) == (1.0, 0.4, (3, 3))
    assert "the median of 0.3 to 0.5, each seed's own" in made.evidence


def test_a_rate_too_high_for_some_seeds_and_too_low_for_others_is_both() -> None:
    faulty = [run(FLAT, seed=i, update=u, settings=typed("data=majority")) for i, u in enumerate((0.5, 0.6, 1e-5))]
    found = named("undertuned learning rate", study(*faulty))
    assert found.seeds == (3, 3) and found.value == pytest.approx(0.55) and "too high" in found.evidence
    assert "1 of 3 on the other side" in found.evidence
