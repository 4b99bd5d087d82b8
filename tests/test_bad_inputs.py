"""Bad files and places, one message each: found before anything runs, and nothing is written."""

import errno
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from stackcli.experiment import plan, trained_run
from stackcli.experiment.store import Store
from tests.experiment.examples import publish_run
from tests.helpers import stackattn, words, write_data

CONFIG = (Path(__file__).parents[1] / "conf" / "config.yaml").read_text(encoding="utf-8")
NO_LIST = CONFIG[CONFIG.index("# the model") :]
CLIP = "name: relative\nclip: 3\n"

YAML = {  # file of --config-dir, its text -> what is said
    "nested": ("config.yaml", "depth: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
    "nested blocks": ("pe/relative.yaml", "".join(f"{' ' * i}a:\n" for i in range(600)), "nested too deeply"),
    "no defaults list": ("config.yaml", NO_LIST, "no defaults list"),
    "defaults is a number": ("config.yaml", "defaults: 3\n" + NO_LIST, "defaults is not a list"),
    "defaults is null": ("config.yaml", "defaults:\n" + NO_LIST, "no defaults list"),
    "a group left out": ("config.yaml", CONFIG.replace("  - pe: learned\n", ""), "pe is missing"),
    "a group twice": ("config.yaml", CONFIG.replace("  - pe: learned\n", "  - pe: learned\n" * 2), "given twice"),
    "an unknown group": ("config.yaml", CONFIG.replace("- pe: learned", "- pee: learned"), "pee is not a group"),
    "an unknown choice": ("config.yaml", CONFIG.replace("- pe: learned", "- pe: lerned"), "did you mean learned?"),
    "a null choice": ("config.yaml", CONFIG.replace("- pe: learned", "- pe:"), "pe: null: no such choice"),
    "an override of hydra": (
        "config.yaml",
        CONFIG.replace("- pe:", "- override hydra/x: x\n  - pe:"),
        "is not a group",
    ),
    "a name alone": ("config.yaml", CONFIG.replace("- pe: learned", "- learned"), "learned is not a group"),
    "a null key": ("config.yaml", CONFIG + "\nnull: 3\n", "None is not the name"),
    "an integer key": ("config.yaml", CONFIG + "\n5: 3\n", "5 is not the name"),
    "a boolean key": ("pe/relative.yaml", CLIP + "yes: 3\n", "True is not the name"),
    "a list as a key": ("config.yaml", CONFIG + "\n? [a]\n: 3\n", "config.yaml"),
    "an unknown key of a part": ("pe/relative.yaml", CLIP + "clap: 4\n", "did you mean clip?"),
    "a part's value out of range": ("pe/relative.yaml", CLIP.replace("3", "-3"), "pe.clip=-3"),
    "a part's value of another type": ("pe/relative.yaml", CLIP.replace("3", "[3]"), "pe.clip=[3]"),
    "a part without a name": ("pe/relative.yaml", "clip: 3\n", "must begin with name"),
    "a part that is empty": ("pe/relative.yaml", "", "expected lines of key: value"),
    "another package": ("pe/relative.yaml", "# @package _global_\n" + CLIP, "packages cannot be renamed"),
    "a setting that is a list": ("config.yaml", CONFIG.replace("depth: 2 ", "depth: [1, 2] "), "depth=[1, 2]"),
    "a setting that is nested": ("config.yaml", CONFIG.replace("depth: 2 ", "depth: {a: 1} "), "depth="),
    "a setting without a value": ("config.yaml", CONFIG.replace("depth: 2 ", "depth: "), "depth=null"),
    "seeds that are text": ("config.yaml", CONFIG.replace("seeds: 3", "seeds: three"), "seeds=three"),
    "two documents": ("config.yaml", "a: 1\n---\nb: 2\n", "config.yaml"),
    "a tag of Python": ("config.yaml", "depth: !!python/name:os.system\n", "config.yaml"),
    "a date": ("config.yaml", CONFIG.replace("depth: 2 ", "depth: 2020-01-01 "), "depth=2020-01-01"),
}  # fmt: skip

PLACES = {  # options -> what is said
    "--csv FOLDER": "a folder",
    "--csv FILE/x.csv": "is not a folder",
    "--csv /proc/none/x.csv": "cannot be written",
    "--csv /proc/x.csv": "cannot be written",
    "--csv /dev/null": "no plain file",
    "--csv " + "x" * 400 + ".csv": "cannot be written",
    "--out /proc/none": "cannot be written",
    "--out /proc/1/none/deeper": "cannot be written",
    "--out /sys/none": "cannot be written",
    "--out FILE/runs": "cannot be",
    "--out " + "x" * 400: "cannot be used",
    "--out FULL": "a folder with other things in it",
    "--config-dir FILE": "no such folder",
    "--study .": "--study",
    "--experiment ../depth": "no such experiment",
}


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    return words(write_data(tmp_path / "d.csv"))


def answer(*typed: str, cwd: Path) -> tuple[int, str]:
    """(exit code, stderr) of the tool."""
    done = stackattn(*typed, cwd=cwd, figures=True)
    return done.returncode, done.stderr


def listed(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize("name", YAML)
def test_a_bad_yaml_file_gets_its_message(name: str, given: list[str], tmp_path: Path) -> None:
    file, text, fragment = YAML[name]
    path = tmp_path / "conf" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    before = listed(tmp_path)
    for command in ("train", "check"):
        settings = given if command == "train" else []
        typed = [command, *settings, "pe=relative", "--config-dir", str(tmp_path / "conf")]
        if "choice" in name or "group" in name or "defaults" in name:
            typed.remove("pe=relative")
        code, said = answer(*typed, cwd=tmp_path)
        assert code == 2 and fragment in said and said.startswith("error: ") and "Traceback" not in said, said
        assert said.count("\n") == 1 and (path.name in said or "=" in said) and listed(tmp_path) == before


@pytest.mark.parametrize("options", PLACES)
def test_a_place_that_cannot_be_used_is_found_before_anything_runs(
    options: str, given: list[str], tmp_path: Path
) -> None:
    if "/proc" in options and not os.path.isdir("/proc/1"):
        pytest.skip("no /proc here")
    (tmp_path / "FOLDER").mkdir()
    (tmp_path / "FILE").write_text("x")
    (tmp_path / "FULL").mkdir()
    (tmp_path / "FULL" / "letter.txt").write_text("x")
    before = listed(tmp_path)
    commands = {"train": given, "sweep": given, "probe": ["depth=1,2"], "check": []}
    takes = {"--csv": ("train", "sweep", "probe"), "--out": tuple(commands), "--config-dir": tuple(commands)}
    for command in takes.get(options.split()[0], ("sweep",)):
        code, said = answer(command, *commands[command], *options.split(" "), cwd=tmp_path)
        assert code == 2 and PLACES[options] in said and said.count("\n") == 1, (command, said)
        assert said.startswith("error: ") and listed(tmp_path) == before


# ---- a store whose files hold JSON of another kind


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with d.csv and a store of one run, whose study is called s."""
    folder = tmp_path_factory.mktemp("store")
    write_data(folder / "d.csv")
    done = stackattn("train", *words(folder / "d.csv"), "--study", "s", cwd=folder, timed=True)
    assert done.returncode == 0, done.stderr
    return folder


VALUES = {"list": "[]", "number": "3", "null": "null", "text": '"x"', "empty object": "{}", "object": '{"x": [1]}'}
READS: dict[str, Callable[[str], list[list[str]]]] = {
    "stackattn.json": lambda run: [["runs"], ["verify"], ["plot"], ["predict", run, "x"], ["train"], ["watch"]],
    "runs/*/result.json": lambda run: [["runs"], ["plot"], ["train"]],
    "runs/*/config.json": lambda run: [["runs"], ["predict", run, "x"], ["train"]],
    "runs/*/words.json": lambda run: [["predict", run, "x"]],
    "runs/*/weights.json": lambda run: [["runs", "show", run]],
    "runs/*/provenance.json": lambda run: [["plot"]],
    "runs/*/position.json": lambda run: [["plot"], ["runs", "show", run], ["runs", "diff", run, run]],
    "studies/s/study.json": lambda run: [["plot"], ["train"], ["watch"], ["watch", "s", "--json"]],
    "studies/s/times.json": lambda run: [["plot"]],
    "facts/*.json": lambda run: [["train"]],
}


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("pattern", READS)
def test_a_store_file_with_json_of_another_kind_is_called_damaged(
    pattern: str, value: str, store: Path, tmp_path: Path
) -> None:
    if (pattern.endswith("position.json") and value == "list") or (
        pattern.endswith("provenance.json") and "obj" in value
    ):
        pytest.skip("that is what it holds")
    if pattern.endswith("times.json") and "object" in value:
        pytest.skip("times of nothing")
    shutil.copytree(store / "outputs", tmp_path / "outputs")
    (path,) = (tmp_path / "outputs").glob(pattern)
    (run,) = (p.name for p in (tmp_path / "outputs" / "runs").iterdir())
    path.write_text(VALUES[value])
    before = listed(tmp_path)
    for command in READS[pattern](run):
        more = [*words(store / "d.csv"), "--study", "s", "--figures", "none"] if command == ["train"] else []
        code, said = answer(*command, *more, cwd=tmp_path)
        if pattern == "runs/*/config.json" and command == ["train"]:
            assert "Traceback" not in said
            continue
        assert code in (2, 5) and "error: " in said and "Traceback" not in said, (command, code, said)
        assert ("damaged" in said and path.name in said) or str(path.parent) in said, said
        assert listed(tmp_path) == before


def test_json_of_any_depth_is_damage(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store / "outputs", tmp_path / "outputs")
    (tmp_path / "outputs" / "stackattn.json").write_text("[" * 100_000 + "]" * 100_000)
    code, said = answer("runs", cwd=tmp_path)
    assert code == 5 and "damaged" in said and json.loads((store / "outputs" / "stackattn.json").read_text())


WRITERS = (
    *(f"{command} DATA" for command in ("train", "sweep", "ablate-depth", "compare-pe", "probe")),
    "sweep DATA --search random lr=0.1,0.2",
    "cost",
    "check",
    "plot",
    "report",
    "explain RUN --index 0",
    "surrogate RUN",
)


@pytest.mark.parametrize("place", ["read-only", "a file", "below a file"])
@pytest.mark.parametrize("command", WRITERS)
def test_an_out_that_cannot_be_written_is_found_before_any_work(
    command: str, place: str, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    if place == "read-only":
        Store(out).create()
        publish_run(Store(out), "abcd", weights=b"weights")
        refuse_folder(out, monkeypatch)
    else:
        out.write_text("x")
    where = out / "deeper" if place == "below a file" else out
    typed = [word for part in command.split() for word in (given if part == "DATA" else [part])]
    typed = ["abcd" if word == "RUN" else word for word in typed]
    monkeypatch.setattr(plan, "plan", lambda *_, **__: pytest.fail("work began"))
    monkeypatch.setattr(trained_run, "open_run", lambda *_, **__: pytest.fail("work began"))
    before = listed(tmp_path)
    code, said = answer(*typed, "--out", str(where), cwd=tmp_path)
    assert code == 2 and said.startswith(f"error: {where}: ") and said.count("\n") == 1, said
    assert place != "read-only" or ("cannot be written" in said and "Read-only file system" in said)
    assert listed(tmp_path) == before


LINES = {  # bad words of the commands that look at the store -> what is said, and the exit code
    "runs dept=1": "did you mean depth?",
    "runs depth=one": "depth is a number",
    "runs depth=1 data>3": "only numbers can be compared",
    "runs test_acc": "in quotes 'test_acc>VALUE'",
    "runs test_acc>nan": "test_acc is a number",
    "runs lst": "did you mean list?",
    "runs abcd": "stackattn runs show ID",
    "runs --cols nope": "--cols nope: no such column",
    "runs --sort -tset_acc": "did you mean test_acc?",
    "runs --json --csv -": "both write to stdout",
    "runs --csv .": "a folder",
    "runs --csv d.csv/x.csv": "is not a folder",
    "runs --top -1": "at least 0",
    "runs --depth 4": "write depth=4",
    "runs show ../s": "no run of that id",
    "runs show ''": "no run of that id",
    "runs diff zz zz": "no run of that id",
    "runs rm": "needs ids or conditions",
    "runs rm zz": "no run of that id",
    "runs rm seed=77": "no run has seed=77",
    "runs rm seed=0": "write --yes",
    "runs rm seed=0 zz": "not both",
    "runs restore zz": "no run of that name",
    "runs restore ../runs": "no run of that name",
    "runs gc --days -1": "at least 0",
    "runs gc --days x": "must be",
    "studies show ../s": "no such study",
    "studies rm": "is missing",
    "studies rm nope": "there are s",
    "studies rm ../runs --yes": "no such study",
    "studies rm s": "write --yes",
    "studies rename s ../x": "a name is 1 to 100 letters",
    "studies rename s /etc/x": "a name is 1 to 100 letters",
    "studies rename s ''": "a name is 1 to 100 letters",
    "studies rename s -- -rf": "a name is 1 to 100 letters",
    "studies rename nope x": "no such study",
    "studies restore ../runs": "no study of that name",
    "export nope": "no such study",
    "export ../s": "no such study",
    "export s --table run": "did you mean runs?",
    "export s --to x.xls": "must end with .csv, .json or .parquet",
    "export s --format xml": "choose csv, json or parquet",
    "export s --to x.csv --format json": "leave one out",
    "export s --format parquet": "write --to FILE.parquet",
    "export s --to /proc/none/x.csv": "cannot be written",
}


@pytest.mark.parametrize("line", LINES)
def test_a_bad_word_of_a_command_on_the_store_is_answered_in_one_line_and_changes_nothing(
    line: str, store: Path
) -> None:
    before = {path: path.read_bytes() for path in listed(store) if path.is_file()}
    code, said = answer(*shlex.split(line), cwd=store)
    assert code == 2 and said.startswith("error: ") and said.count("\n") == 1 and LINES[line] in said, (code, said)
    assert {path: path.read_bytes() for path in listed(store) if path.is_file() and path.suffix != ".lock"} == {
        path: text for path, text in before.items() if path.suffix != ".lock"
    }


@pytest.mark.parametrize(
    "command", ["runs", "runs show a", "runs rm a", "runs gc", "studies", "studies rm s", "export s"]
)
@pytest.mark.parametrize("place", ["none", "FILE", "FULL"])
def test_a_folder_that_is_no_store_is_neither_read_nor_changed(command: str, place: str, tmp_path: Path) -> None:
    (tmp_path / "FILE").write_text("x")
    (tmp_path / "FULL").mkdir()
    (tmp_path / "FULL" / "runs").write_text("x")
    before = listed(tmp_path)
    code, said = answer(*command.split(), "--out", place, cwd=tmp_path)
    assert code == 2 and said.startswith(f"error: {place}: no store of runs") and said.count("\n") == 1, said
    assert listed(tmp_path) == before


def refuse_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets nothing be created in a folder, as on a disk that is mounted read-only."""
    real = tempfile.mkdtemp

    def refuse(suffix: str | None = None, prefix: str | None = None, dir: Path | None = None) -> str:
        if dir == folder:
            raise OSError(errno.EROFS, "Read-only file system")
        return real(suffix, prefix, dir)

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
