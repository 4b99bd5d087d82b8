"""Settings and data files as no test would think of them: never a traceback, never half a store."""

import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stackcli.common import registry
from stackcli.config.grid import setting_choices, setting_keys
from stackcli.config.settings import GROUPS
from tests.helpers import stackattn, write_data

ANY = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
FEW, MANY = {"words": 60, "files": 8}, {"words": 2000, "files": 500}

KEYS = st.sampled_from([*setting_keys(), "seeds", "match", "match_depth", "launcher", "tracker", "ray.address"])
ODD_KEYS = st.sampled_from(["+new", "~depth", "dpeth", "_target_", "hydra.run.dir", "pe.", ".pe", "", "pe.clip.more"])
NUMBERS = st.one_of(st.integers(-3, 70), st.floats(allow_nan=True, allow_infinity=True), st.integers()).map(str)
PARTS = st.sampled_from(sorted({name for group in GROUPS for name in registry.part_names(group)} - {"subjects"}))
CHOICES = st.sampled_from(sorted({choice for choices in setting_choices().values() for choice in choices}))
HYDRA = [
    "range(1,4)",
    "range(0,1,0.3)",
    "glob(*)",
    "glob(zzz*)",
    "choice(1,2)",
    "interval(1,2)",
    "tag(log,1)",
    "sort(2,1)",
]
HYDRA += ["shuffle(1,2)", "[1,2]", "{a:1}", "${oc.env:HOME}", "null", "true", "no", "''", "\\", "1e400", "0x10"]
VALUES = st.one_of(NUMBERS, PARTS, CHOICES, st.sampled_from(HYDRA), st.text(max_size=12))
PLAIN = [
    "depth=1,2",
    "depth=3",
    "seeds=2",
    "lr=0.01,0.1",
    "dim=16",
    "heads=1,2",
    "causal=true",
    "dropout=0.5",
    "seed=7",
]
PLAIN += [f"{key}={choice}" for key, choices in setting_choices().items() if key != "data" for choice in choices]
WORDS = st.one_of(
    st.sampled_from(PLAIN),
    st.sampled_from(PLAIN),
    st.builds("{}={}".format, KEYS, st.lists(VALUES, min_size=1, max_size=3).map(",".join)),
    st.builds("{}={}".format, st.one_of(KEYS, ODD_KEYS), VALUES),
    st.text(max_size=10),
)
LINES = st.tuples(st.sampled_from(["sweep", "train", "compare-pe", "ablate-depth"]), st.lists(WORDS, max_size=5))


def check_words(line: tuple[str, list[str]]) -> None:
    """A dry run of any words ends with 0, or with 2 and messages, and writes nothing."""
    command, given_words = line
    small = ["dim=8", "heads=2", "steps=4"]
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        typed = [word.replace("\0", "") for word in given_words]
        typed = [f" {word}" if word.startswith("-") else word for word in typed]  # options have tests of their own
        data = write_data(place / "d.csv")
        own = [f"data.path={data}", "data=csv"] if not any(word.startswith("data") for word in typed) else []
        keys = {word.partition("=")[0] for word in typed}
        small = [word for word in small if word.partition("=")[0] not in keys and "epochs" not in keys]
        done = stackattn(command, *own, *small, *typed, "--dry-run", cwd=place)
        assert done.returncode in (0, 2), (typed, done.stderr)
        assert "Traceback" not in done.stderr and done.stdout == ""
        if done.returncode == 2:
            assert "error: " in done.stderr, (typed, done.stderr)
        assert [path.name for path in place.iterdir()] == ["d.csv"]


@settings(ANY, max_examples=FEW["words"])
@given(LINES)
def test_any_words_are_planned_or_refused_with_a_message(line: tuple[str, list[str]]) -> None:
    check_words(line)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@settings(ANY, max_examples=MANY["words"])
@given(LINES)
def test_two_thousand_lists_of_words_are_planned_or_refused_with_a_message(line: tuple[str, list[str]]) -> None:
    check_words(line)


ODD_TEXTS = ["cat", " Dog", "", "a,b", '"', '""', "\n", "\r", "\t", "=1+1", "\x00", "\ufeff", "é", "😀"]
CELLS = st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=20), st.integers().map(str))
HEADS = st.sampled_from(["text,label", "text;label", "label,text", "text", "TEXT,LABEL", "question,answer", ""])
GOOD_ROWS = [(f"a text about {kind} {i}", kind) for i in range(10) for kind in ("cat", "dog")]
SOME_ROWS = st.lists(st.tuples(CELLS, st.sampled_from(["cat", "dog", "Cat "])), max_size=4)
ODD_ROWS = st.one_of(st.lists(st.tuples(CELLS, CELLS), max_size=12), st.lists(st.tuples(CELLS), max_size=5))
FILES = st.one_of(
    st.tuples(st.just("text,label"), SOME_ROWS.map(lambda rows: GOOD_ROWS + rows), st.sampled_from([0, 1, 2])),
    st.tuples(HEADS, ODD_ROWS.map(lambda rows: GOOD_ROWS + rows), st.sampled_from([0, 1, 2])),
    st.tuples(HEADS, ODD_ROWS, st.sampled_from([0, 1, 2])),
    st.binary(max_size=200),
)
Table = tuple[str, list[tuple[str, ...]], int]


def to_content(file: Table | bytes) -> bytes:
    """The bytes of a file: written as CSV with all cells quoted, with quotes where needed, or joined as they are."""
    if isinstance(file, bytes):
        return file
    import csv

    head, rows, quoting = file
    if quoting == 2:
        return "\n".join([head, *(",".join(row) for row in rows)]).encode("utf-8", "surrogatepass")
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL if quoting else csv.QUOTE_MINIMAL, escapechar="\\").writerows(rows)
    return f"{head}\n{out.getvalue()}".encode("utf-8", "surrogatepass")


def check_file(file: Table | bytes) -> None:
    """A training on any file ends with a whole store, or with a message and none."""
    small = ["dim=8", "heads=2", "ff=1", "steps=1", "batch=2", "probes=false", "keep=none"]
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "d.csv").write_bytes(to_content(file))
        done = stackattn("train", "data=csv", "data.path=d.csv", *small, cwd=place)
        assert done.returncode in (0, 2), done.stderr
        assert "Traceback" not in done.stderr
        if done.returncode == 2:
            assert "error: " in done.stderr and [path.name for path in place.iterdir()] == ["d.csv"]
        else:
            checked = stackattn("verify", cwd=place)
            assert (checked.returncode, checked.stderr) == (0, "1 run, 0 faults\n")


@settings(ANY, max_examples=FEW["files"])
@given(FILES)
def test_any_file_is_trained_on_or_refused_with_a_message(file: Table | bytes) -> None:
    check_file(file)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@settings(ANY, max_examples=MANY["files"])
@given(FILES)
def test_five_hundred_files_are_trained_on_or_refused_with_a_message(file: Table | bytes) -> None:
    check_file(file)
