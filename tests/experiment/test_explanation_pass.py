"""The pass that explains the runs of a study."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stackcli.common.atomic_files import read_json, write_json
from stackcli.experiment import explanation_pass as explained
from tests.helpers import stackattn, words, write_data


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two depths with explanations."""
    folder = tmp_path_factory.mktemp("explained")
    data = write_data(folder / "d.csv", 40)
    done = stackattn("ablate-depth", *words(data, "depth=1,2", "residual=pre", "seeds=2", "steps=20"),
                     "--explain", "--study", "s", cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "faithfulness of explanations" in said and "a perfect explanation has a faithfulness" in said
    assert "explaining 24 test items of 4 runs" in done.stderr
    return folder


def scores(place: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((place / "outputs" / "explanations").glob("*/scores.json"))]


def test_every_run_has_the_scores_of_every_method_and_head(place: Path) -> None:
    found = scores(place)
    assert len(found) == 4
    for one in found:
        assert set(one["methods"]) == set(explained.method_names()) and not one["refused"]
        assert set(one["controls"]) == {"perfect", "random"} and one["spread"] > 0
        for row in (*one["methods"].values(), *one["controls"].values()):
            assert row["faithfulness"] == pytest.approx(-row["deletion"] / one["spread"])
        assert all(look["padding"] == 0 for look in one["heads"])
    assert sorted(len(one["heads"]) for one in found) == [2, 2, 4, 4]
    folder = place / "outputs" / "studies" / "s"
    for figure in ("faithfulness", "offsets"):  # of the others tests/experiment/test_study_page.py draws each
        assert stackattn("plot", "s", "--figure", figure, "--figures", "png", cwd=place).returncode == 0
    assert {"explanations.csv", "explanation_differences.csv", "heads.csv", "faithfulness.png", "offsets.png"} <= {
        path.name for path in folder.iterdir()
    }


def test_what_is_explained_is_not_explained_again_and_is_shown_without_the_option(place: Path) -> None:
    given = words(place / "d.csv", "depth=1,2", "residual=pre", "seeds=2", "steps=20")
    again = stackattn("ablate-depth", *given, "--explain", "--study", "s", cwd=place)
    assert again.returncode == 0 and "explaining" not in again.stderr
    plain = stackattn("ablate-depth", *given, "--study", "s", cwd=place)
    assert "faithfulness of explanations" in plain.stdout
    path = next((place / "outputs" / "explanations").glob("*/scores.json"))
    write_json(path, {**read_json(path), "key": "another"})
    anew = stackattn("ablate-depth", *given, "--explain", "--study", "s", cwd=place)
    assert "explaining 24 test items of 1 run" in anew.stderr


def test_means_leave_out_what_has_no_number() -> None:
    assert explained.average_rows([{"a": 1.0, "b": None}, {"a": 3.0, "b": None}]) == {"a": 2.0, "b": None}
    assert explained.average_rows([{"a": 1.0}, {"a": None}]) == {"a": 1.0}


@pytest.mark.parametrize(
    ("evidence", "tokens", "expected"),
    [((), (1.0, 2.0), None), ((1,), (1.0, 2.0, -9.0), 1.0), ((0,), (1.0, 2.0), 0.0), ((0, 2), (3.0, 1.0, 2.0), 1.0)],
)
def test_the_tokens_that_decide_are_first_or_not(
    evidence: tuple[int, ...], tokens: tuple[float, ...], expected: float | None
) -> None:
    found: Any = SimpleNamespace(
        item=SimpleNamespace(evidence=evidence), scores={"occlusion": SimpleNamespace(tokens=tokens)}
    )
    assert explained.ranks_first(found, "occlusion") == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [(("lr=0.1,0.2", "--search", "random"), "--search and --explain"), (("keep=none",), "leave keep=none out")],
)
def test_runs_without_weights_cannot_be_explained(given: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = stackattn("sweep", *given, "--explain", cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr


def test_a_method_that_does_not_go_with_a_stack_is_left_out(tmp_path: Path) -> None:
    data = write_data(tmp_path / "d.csv")
    given = words(data, "attention=talking", "steps=4", "depth=1,2", "seeds=1")
    done = stackattn("sweep", *given, "--explain", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("rollout is left out where it does not go with the stack: the weights") == 2
    for one in scores(tmp_path):
        assert "rollout" in one["refused"] and "may be negative" in one["refused"]["rollout"]
        assert "occlusion" in one["methods"] and not one["heads"]
