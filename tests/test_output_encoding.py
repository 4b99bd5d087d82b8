"""Every command can write to a console or pipe of any encoding."""

from pathlib import Path

import pytest

from tests.experiment.examples import Said, call_tool
from tests.helpers import SMALL, load_workers

KINDS = ("größe", "中文 ±")  # classes
COMMANDS = {
    "sweep": "sweep {data} depth=1 seeds=3 --figures none",
    "train": "train {data} depth=1 --figures none",
    "ablate-depth": "ablate-depth {data} depth=1 seeds=1 --figures none",
    "compare-pe": "compare-pe {data} pe=none,rope seeds=2 --figures none",
    "train as csv": "train {data} depth=1 --figures none --csv -",
    "train as latex": "train {data} depth=1 --figures none --format latex",
    "an error": "train {data} pe=größe",
    "a text": "predict {run} größe→中",
    "explain": "explain {run} --text größe→中 --method occlusion --figures none",
    "surrogate": "surrogate {run} --figures none",
    "report": "report {study} --format md --to -",
    "plot": "plot {study} --figure loss",
    "runs": "runs",
    "verify": "verify",
    "watch": "watch",
    "check": "check pe=alibi dim=8 heads=2 --figures none",
    "probe": "probe {data} depth=1,2 seeds=1 --figures none",
    "cost": "cost dim=8 heads=2 depth=1 seq=8,16 --figures none",
    "list": "list",
    "list pe": "list pe",
    "list settings": "list settings",
    "list experiments": "list experiments",
}

SLOW = ("ablate-depth", "compare-pe", "train as csv", "train as latex", "probe", "cost", "surrogate")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of two runs on texts and classes that no 8-bit encoding has."""
    place = tmp_path_factory.mktemp("encoding")
    rows = [f"text {i} über {'→' if i % 2 else '中'},{KINDS[i % 2]}" for i in range(60)]
    (place / "d.csv").write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    load_workers()
    said = tool("sweep {data} depth=1 seeds=3 --figures none", place, "utf-8")
    assert (said.code == 0 and "0.95" in said.out) or "±" in said.out
    return place


def tool(line: str, folder: Path, encoding: str) -> Said:
    learnt = [word for word in SMALL if not word.startswith(("steps=", "epochs="))]
    data = " ".join(["data=csv", "data.path=d.csv", *learnt, "steps=60", "lr=0.02"])  # learns both classes
    run = next((p.name for p in sorted(folder.glob("outputs/runs/*"))), "")
    study = next((p.name for p in folder.glob("outputs/studies/*")), "")
    return call_tool(line.format(data=data, run=run, study=study).split(" "), folder, encoding)


@pytest.mark.parametrize(
    "command", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in COMMANDS]
)
def test_no_command_fails_for_want_of_a_character(command: str, folder: Path) -> None:
    said = tool(COMMANDS[command], folder, "ascii")
    assert said.code == (2 if command == "an error" else 0), said.err
    assert "Traceback" not in said.err and "UnicodeEncodeError" not in said.err
    if command == "sweep":
        assert "+-" in said.out and "gr\\xf6\\xdfe" in said.err
    if command == "an error":
        assert "pe=gr\\xf6\\xdfe" in said.err


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp437"])
def test_what_an_encoding_has_is_written_as_it_is(encoding: str, folder: Path) -> None:
    said = tool(COMMANDS["sweep"], folder, encoding)
    assert said.code == 0 and "±" in said.out and "größe" in said.err and "\\u4e2d" in said.err
