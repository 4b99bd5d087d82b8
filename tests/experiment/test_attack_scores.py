"""What attacks do to the runs of a study, as it is kept."""

from pathlib import Path

import pytest

from stackcli.common.atomic_files import CorruptionError, write_json
from stackcli.experiment.attack_scores import attack_path, attack_rows, read_attacks
from stackcli.experiment.store import Store


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The file of the run abc, in a store."""
    Store(tmp_path).create()
    path = attack_path(tmp_path, "abc")
    path.parent.mkdir(parents=True)
    return path


def test_each_attack_and_budget_is_a_row_with_the_settings_of_its_run(place: Path, tmp_path: Path) -> None:
    rows = [{"attack": "hotflip", "budget": 1.0, "flipped": 3}, {"attack": "shift", "budget": 5.0, "flipped": 0}]
    kept = {"key": "k", "items": 9, "predicted": {"shift": False}, "masking": ["One.", "Two."]}
    write_json(place, {**kept, "rows": rows})
    store = Store(tmp_path)
    runs = [{"run": "abc", "depth": 4}, {"run": "none", "depth": 8}]
    assert list(attack_rows([(head, read_attacks(store, str(head["run"]))) for head in runs])) == [
        {"run": "abc", "depth": 4, **rows[0], "predicted": None, "masking": "One. Two."},
        {"run": "abc", "depth": 4, **rows[1], "predicted": False, "masking": "One. Two."},
    ]
    assert read_attacks(store, "none") == {}


@pytest.mark.parametrize("text", ['{"key": "k"', '{"key": "k", "rows": []}'])
def test_a_damaged_file_is_named(text: str, place: Path, tmp_path: Path) -> None:
    place.write_text(text)
    with pytest.raises(CorruptionError, match=r"scores\.json"):
        read_attacks(Store(tmp_path), "abc")
