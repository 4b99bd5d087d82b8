"""`make bench`: which sections run, which times are divided by which, and what is said of a missing peer."""

from functools import partial
from importlib.metadata import PackageNotFoundError

import pytest

from stackcli.config import grid
from stackcli.experiment import speed_peers, speed_ratios
from stackcli.experiment.speed_measurement import MOST, Row, measure_turns
from stackcli.experiment.speed_ratios import CAUSAL, LOCAL, OURS, PRODUCT, SIZES, WINDOW, Request, Size
from stackcli.experiment.speed_sides import Work
from tests.factory import tiny


def numbers(rows: tuple[Row, ...]) -> dict[str, tuple[float | None, tuple[float, ...]]]:
    return {row.name: (row.seconds, row.ratios) for row in rows if row.ratios}


def test_a_ratio_is_the_time_of_the_peer_over_that_of_our_side() -> None:
    found = {OURS: [2.0, 4.0], "p": [6.0, 8.0], WINDOW: [1.0, 2.0], CAUSAL: [0.5, 0.5], LOCAL: [5.0, 1.0]}
    assert numbers(speed_ratios.peer_rows(found, 2)) == {
        "p": (1.5, (3.0, 2.0)),
        "p / our window": (0.75, (6.0, 4.0)),
        "x-transformers, local / our causal window": (0.25, (10.0, 2.0)),
    }
    assert list(numbers(speed_ratios.peer_rows({OURS: [2.0], "p": [1.0]}, 1))) == ["p"]


def test_a_peer_that_is_missing_has_a_row_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package == "transformers":
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(speed_peers, "version", version)
    rows = speed_ratios.peer_rows({OURS: [2.0], "nn.TransformerEncoder": [1.0]}, 1)
    assert [(row.name, "not installed" in row.note) for row in rows] == [
        ("nn.TransformerEncoder", False),
        ("BertModel", True),
    ]


def test_a_share_of_the_peak_is_flops_per_second_over_those_of_the_product() -> None:
    work = Work.of(("depth=1", "dim=8", "heads=2", "batch=4"), tiny(n=40), turn=2)
    flops = [7, 7, 100, 200, 300, 500]  # a warm-up turn, then two
    product = 2.0 * PRODUCT**3
    row = speed_ratios.peak_row("x", {OURS: [3.0, 4.0], "mm": [product / 1000, product / 400]}, work, flops)
    assert row.ratios == pytest.approx((100 / 1000, 200 / 400)) and row.seconds == 1.75


def test_the_sweep_is_measured_only_where_it_is_asked_for() -> None:
    every = [name for name in speed_ratios.SECTIONS if name != "sweep"]
    assert speed_ratios.parse_words([])[0] == every
    assert speed_ratios.parse_words(["--whole"])[0] == [*every, "sweep"]
    assert speed_ratios.parse_words(["--only", "sweep,peak"])[0] == ["sweep", "peak"]
    names, request = speed_ratios.parse_words(["data=csv", "--rounds", "7", "data.path=a.csv"])
    assert request.words == ("data=csv", "data.path=a.csv") and request.rounds == 7 and names == every


@pytest.mark.parametrize(
    ("words", "said"), [(["--only", "pears"], "choose from peers"), (["--rounds", str(MOST + 1)], f"1 to {MOST}")]
)
def test_a_wrong_option_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        speed_ratios.parse_words(words)
    assert left.value.code == 2 and said in capsys.readouterr().err


def test_the_sizes_are_those_that_the_titles_say() -> None:
    for size in SIZES:
        given = dict(word.split("=") for word in size.words)
        for key, default in (("dim", "64"), ("heads", "4"), ("depth", ""), ("batch", "32")):
            assert f"{key} {given.get(key, default)}" in size.name
        assert not size.length or f"{size.length} tokens" in size.name


SMALL = Size("small", ("depth=1", "dim=16", "heads=2", "batch=2"), 8, 1)


@pytest.fixture
def request_small(monkeypatch: pytest.MonkeyPatch) -> Request:
    """A request whose sizes are small and whose peer is `nn.TransformerEncoder`, which is always there."""
    large = SMALL._replace(name="long", length=1025, words=(*SMALL.words, "ff=1"))
    monkeypatch.setattr(speed_ratios, "SIZES", (SMALL._replace(length=0, words=SMALL.words[1:3]), SMALL, large))
    monkeypatch.setattr(speed_ratios, "PRODUCT", 64)
    monkeypatch.setattr(speed_ratios, "load_words", lambda words: tiny(n=20))
    return Request((), partial(measure_turns, rounds=1), 1)


def test_peers_are_measured_at_every_size_in_training_and_forward(request_small: Request) -> None:
    sections = list(speed_ratios.peer_sections(request_small))
    names = [section.title.split(",")[0] for section in sections]
    assert names == ["Training step", "Forward pass"] * 3
    measured = [[row.name for row in section.rows if "nn.Tr" in row.name] for section in sections]
    peer = "nn.TransformerEncoder"
    assert measured[0] == [peer, f"{peer}, fused AdamW", f"{peer}, own dropout"]
    assert measured[1:4] == [[peer]] * 3
    assert measured[4:] == [[peer, f"{peer} / our window"]] * 2
    assert all(row.ratios[0] > 0 for section in sections for row in section.rows if not row.note)


def test_recording_and_accuracy_are_measured(request_small: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    small = ("steps=2", "dim=8", "heads=2")
    parse = grid.parse_grid
    monkeypatch.setattr(grid, "parse_grid", lambda words: parse([*(w for w in words if "epochs" not in w), *small]))
    assert [len(section.rows) for section in speed_ratios.recording_sections(request_small)] == [2]
    (accuracy,) = speed_ratios.accuracy_sections(request_small)
    assert [row.name for row in accuracy.rows] == ["seed 0", "seed 1"]
    assert all("nn.TransformerEncoder 0." in row.note and row.note.startswith("ours 0.") for row in accuracy.rows)


def test_the_peak_and_the_batches_are_measured(request_small: Request) -> None:
    (peak,) = speed_ratios.peak_sections(request_small)
    assert len(peak.rows) == 3 and all(row.ratios[0] > 0 for row in peak.rows)
    (batches,) = speed_ratios.batch_sections(request_small)
    assert batches.rows[0].ratios[0] > 0
