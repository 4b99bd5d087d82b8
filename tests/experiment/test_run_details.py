"""What is stored about one run."""

from dataclasses import replace
from pathlib import Path

import pytest

from stackcli.common.atomic_files import CorruptionError
from stackcli.experiment.run_details import (
    describe_details,
    details_lines,
    format_bytes,
    layer_gradients,
    usual_settings,
)
from stackcli.experiment.store import Store
from tests.experiment.examples import default_config, publish_run
from tests.experiment.store_examples import filled_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = filled_store(tmp_path)
    publish_run(store, "dd44", config=replace(default_config(), depth=7, seed=3), test_acc=0.25)
    return store


def test_the_default_settings_differ_in_nothing(store: Store) -> None:
    assert usual_settings(default_config()).items() >= default_config().flat().items()
    assert describe_details(store, "aa11")["changed"] == {}


def test_settings_that_differ_come_first_with_their_default(store: Store) -> None:
    found = describe_details(store, "dd44")
    assert found["changed"] == {"depth": 2, "seed": 0} and found["settings"]["depth"] == 7
    lines = list(details_lines(found))
    names = [name for name, _ in lines]
    assert ("depth", "7 (default 2)") in lines and names.index("depth") < names.index("all other settings")
    rest = lines[names.index("all other settings") + 1][1].split()
    assert "depth=7" not in rest and "lr=0.001" in rest and len(rest) + 2 == len(found["settings"])


def test_a_run_names_its_studies_files_and_the_line_that_repeats_it(store: Store) -> None:
    found = describe_details(store, "aa11")
    assert found["studies"] == {"both": "depth=1", "one": "depth=1"} and found["reproduce"] == "stackattn train"
    assert found["files"] == {f.name: f.stat().st_size for f in store.run("aa11").iterdir()}
    assert found["curve"][0]["train_loss"] == 0.5 and found["provenance"] == {"seconds": 1.0}
    assert ("study", "none") in list(details_lines(describe_details(store, "cc33")))
    assert ("status", "done, test accuracy 0.5") in list(details_lines(found))


def test_a_diverged_run_says_at_which_step(store: Store) -> None:
    publish_run(store, "ee55", status="diverged", diverged_step=8, test_acc=None)
    assert ("status", "diverged at step 8") in list(details_lines(describe_details(store, "ee55")))


@pytest.mark.parametrize("name", ["result.json", "curve.jsonl", "provenance.json", "config.json"])
def test_a_file_that_is_not_as_it_was_written_is_named(name: str, store: Store) -> None:
    path = store.run("aa11") / name
    path.write_bytes(path.read_bytes()[:-3] + b"7}\n")
    with pytest.raises(CorruptionError, match=f"{name}: damaged .*delete"):
        describe_details(store, "aa11")


def test_the_gradient_is_that_of_each_layers_last_map_at_the_first_and_the_last_step() -> None:
    rows = [
        {"step": step, "layer": layer, "tensor": tensor, "g1": step + layer / 10 + (tensor == "o")}
        for step in (0, 5, 9)
        for layer in (2, 1)
        for tensor in ("ff2", "o")
    ]
    found = layer_gradients(rows)
    assert found == {"tensor": "ff2", "steps": [0, 9], "start": [0.1, 0.2], "end": [9.1, 9.2]}
    assert layer_gradients([r for r in rows if r["tensor"] == "o"])["tensor"] == "o" and layer_gradients([]) == {}


def test_bytes_are_written_in_their_unit() -> None:
    assert [format_bytes(n) for n in (0, 999, 1000, 1_250_000, 3 * 10**9)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "1.2 MB",
        "3.0 GB",
    ]
