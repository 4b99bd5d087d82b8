"""The scores of the explanations of runs."""

from pathlib import Path

import pytest

from stackcli.common.atomic_files import CorruptionError, write_json
from stackcli.experiment.explanation_scores import head_rows, read_scores, score_rows, scores_path
from stackcli.experiment.store import Store


def test_each_method_control_and_head_is_a_row_with_the_settings_of_its_run(tmp_path: Path) -> None:
    store, path = Store(tmp_path), scores_path(tmp_path, "abc")
    store.create()
    path.parent.mkdir(parents=True)
    kept = {"key": "k", "methods": {"occlusion": {"deletion": -1.0}}, "controls": {"perfect": {"deletion": -2.0}}}
    write_json(path, {**kept, "heads": [{"layer": 1, "head": 2, "distance": 3.0}]})
    runs = [{"run": "abc", "depth": 4}, {"run": "none", "depth": 8}]
    found = [(head, read_scores(store, str(head["run"]))) for head in runs]
    assert list(score_rows(found)) == [
        {"run": "abc", "depth": 4, "method": "occlusion", "control": False, "deletion": -1.0},
        {"run": "abc", "depth": 4, "method": "perfect", "control": True, "deletion": -2.0},
    ]
    assert list(head_rows(found)) == [{"run": "abc", "depth": 4, "layer": 1, "head": 2, "distance": 3.0}]
    assert read_scores(store, "none") == {}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    store, path = Store(tmp_path), scores_path(tmp_path, "abc")
    store.create()
    path.parent.mkdir(parents=True)
    path.write_text('{"key": "k"')
    with pytest.raises(CorruptionError, match=r"scores\.json"):
        read_scores(store, "abc")
