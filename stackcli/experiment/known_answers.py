"""`make known-answers`: runs recorded studies on fresh seeds and compares the results with the known answers.

Each line of experiments/NAME/expected.txt is an expectation, `ARM: METRIC OP NUMBER`: the mean over seeds of a column
of runs.csv, or `acc@N`, `loss@N`, `excess@N` on test items of length N, or where a token has several answers the lowest
accuracy of the first N (`inside@N`) and the highest of the others (`beyond@N`), or the accuracy of the position probe
after layer N (`position@N`), or the share of explained test items in which a method of explanation ranks the tokens
that decide first (`first@METHOD`), or the accuracy under an attack at a budget (`attacked@fgm-3`), where a file
`attack` says which attacks are made; `A - B: ...` for the difference of two arms' means.
"""

import argparse
import operator
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from stackcli.analysis import comparisons, paired_comparisons
from stackcli.analysis.study_data import Frames
from stackcli.analysis.terminal_table import TerminalTable
from stackcli.config import recorded_settings
from stackcli.config.attack_settings import parse_attacks
from stackcli.experiment import initial_probe_report
from stackcli.experiment.attack import attack_folder, run_attacks, save_report
from stackcli.experiment.attacked_run import open_attacked_run
from stackcli.experiment.console import Console
from stackcli.experiment.load import load_study
from stackcli.experiment.store import Store

OPERATIONS: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}
SEED = 200  # the first of the fresh seeds; settings and thresholds were chosen on others


class Expectation(NamedTuple):
    """`arms`: one arm, or two whose means are subtracted."""

    arms: tuple[str, ...]
    metric: str
    operation: str
    bound: float


class Outcome(NamedTuple):
    """The result of an expectation: the mean, the value of each seed, and whether it is as expected."""

    expected: Expectation
    mean: float
    values: tuple[float, ...]
    held: bool


def read_expectations(path: Path) -> list[Expectation]:
    """Reads the expectations of a file. Raises ValueError for a line of another form."""
    out = []
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        arms, _, rest = line.rpartition(": ")
        words = rest.split()
        if len(words) != 3 or words[1] not in OPERATIONS or not arms:
            raise ValueError(f"{path}: {line!r} is not ARM: METRIC OP NUMBER")
        out.append(Expectation(tuple(a.strip() for a in arms.split(" - ")), words[0], words[1], float(words[2])))
    return out


def check_expectations(frames: Frames, expected: Sequence[Expectation]) -> list[Outcome]:
    """Compares each expectation with the runs that are done; an expectation without any does not hold."""
    out = []
    for one in expected:
        each = [metric_values(frames, arm, one.metric) for arm in one.arms]
        if not all(map(len, each)):
            out.append(Outcome(one, float("nan"), (), False))
            continue
        means = [sum(v) / len(v) for v in each]
        mean = means[0] - means[1] if len(means) == 2 else means[0]
        out.append(Outcome(one, mean, tuple(each[0]), OPERATIONS[one.operation](mean, one.bound)))
    return out


def metric_values(frames: Frames, arm: str, metric: str) -> list[float]:
    """Returns a metric of the finished runs of an arm, a value per seed. Raises ValueError for an unknown arm."""
    if arm not in set(frames.runs["arm"]):
        raise ValueError(f"no arm {arm!r} in {frames.study}")
    runs = paired_comparisons.finished_runs(frames.runs[frames.runs["arm"] == arm])
    if "@" not in metric or metric in runs:
        return [float(value) for value in runs[metric]]
    name, _, length = metric.partition("@")
    if name == "position":
        rows = frames.stack[frames.stack["run"].isin(runs["run"]) & (frames.stack["layer"] == int(length))]
        return [float(value) for value in rows["position_acc"]]
    if name == "inside":
        return [float(min(accs[: int(length)])) for accs in runs["acc_by_output"]]
    if name == "beyond":
        return [float(max(accs[int(length) :])) for accs in runs["acc_by_output"]]
    if name == "first":
        rows = frames.scores[frames.scores["run"].isin(runs["run"]) & (frames.scores["method"] == length)]
        return [float(value) for value in rows[name].dropna()]
    out = []
    for run in runs["run"]:
        one = replace(frames, runs=runs[runs["run"] == run])
        rows = comparisons.scores_by_length(one)
        out += [float(v) for v in rows.loc[rows["length"] == int(length), name]]
    return out


def attack_runs(frames: Frames, out: Path, words: Sequence[str]) -> Frames:
    """Attacks every finished run on the whole test part, as `attack RUN WORDS` does. Returns the study with a column
    attacked@NAME-BUDGET for each attack: the accuracy under it."""
    asked, found = parse_attacks(words), dict[str, dict[str, float]]()
    for run in paired_comparisons.finished_runs(frames.runs)["run"]:
        attacked = open_attacked_run(out, run)
        report = run_attacks(attacked, attacked.test_items(0), asked, attack_folder(out, run), print)
        save_report(report, attack_folder(out, run))
        for row in report["rows"]:
            which = row["attack"] if row["budget"] is None else f"{row['attack']}-{row['budget']:g}"
            found.setdefault(f"attacked@{which}", {})[run] = (row["right"] - row["flipped"]) / row["items"]
    columns = {name: frames.runs["run"].map(values) for name, values in found.items()}
    return replace(frames, runs=frames.runs.assign(**columns))


def outcome_table(name: str, outcomes: Sequence[Outcome]) -> TerminalTable:
    heads = ("arm", "metric", "mean", "seeds", "expected", "")
    table = TerminalTable(heads, left=(0, 1, 4, 5), wrap=(1, 3, 4), whole=True, title=name)
    for o in outcomes:
        e = o.expected
        seeds = " ".join(f"{v:.3f}" for v in o.values) if len(e.arms) == 1 else ""
        held = "held" if o.held else "FAILED"
        table.add_row(" - ".join(e.arms), e.metric, f"{o.mean:.4f}", seeds, f"{e.operation} {e.bound:g}", held)
    return table


def experiment_folder(name: str) -> Path:
    return next(p for base in recorded_settings.FOLDERS if (p := base / name / "settings.txt").is_file()).parent


def replay_study(name: str, out: Path, seed: int) -> Frames:
    """Runs a study again. Where its folder holds a file `probe`, it is probed instead, and the numbers of each arm and
    seed (slope_free, order, ...) are returned as runs. Where it holds a file `explain`, the runs are explained as well;
    where it holds a file `attack` with the words of `attack RUN`, they are attacked. Raises CalledProcessError where
    the command fails."""
    probed, explained = ((experiment_folder(name) / mark).exists() for mark in ("probe", "explain"))
    study = f"{name}-{seed}"  # other seeds are another study
    line = ["probe" if probed else "sweep", "--experiment", name, f"seed={seed}", "--study", study, "--out", str(out)]
    more = ["--explain"] if explained else []
    subprocess.run([sys.executable, "-m", "stackcli", *line, *more, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    if probed:
        return initial_probe_report.read_probe(out / "probes" / study)
    frames = load_study(Store(out, create=False), study)
    attacks = experiment_folder(name) / "attack"
    return attack_runs(frames, out, shlex.split(attacks.read_text(encoding="utf-8"))) if attacks.exists() else frames


def run_known_answers(words: Sequence[str] | None = None) -> int:
    """Checks the studies that the words name, or all; returns 1 where an expectation does not hold, else 0."""
    parser = argparse.ArgumentParser(prog="python -m stackcli.experiment.known_answers", description=__doc__)
    parser.add_argument("names", nargs="*", help="studies; all that are not slow otherwise")
    parser.add_argument("--slow", action="store_true", help="the slow ones too")
    parser.add_argument("--seed", type=int, default=SEED, help="the first seed")
    parser.add_argument("--out", type=Path, default=Path("outputs-known"))
    given: Any = parser.parse_args(words)
    known = [n for n in recorded_settings.experiment_names() if (experiment_folder(n) / "expected.txt").is_file()]
    quick = [n for n in known if given.slow or not (experiment_folder(n) / "slow").exists()]
    failed = 0
    for name in given.names or quick:
        expected = read_expectations(experiment_folder(name) / "expected.txt")
        try:
            outcomes = check_expectations(replay_study(name, given.out, given.seed), expected)
        except subprocess.CalledProcessError as error:
            print(f"{name}: its runs failed (exit code {error.returncode}), so none of its expectations holds")
            failed += len(expected)
            continue
        Console().print(outcome_table(name, outcomes))
        failed += sum(not o.held for o in outcomes)
    print(f"{failed} expectations failed" if failed else "every expectation held")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(run_known_answers())
