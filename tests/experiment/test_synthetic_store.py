"""Made-up runs have the files of real ones."""

import json
import os
from pathlib import Path

from stackcli.config import grid
from stackcli.experiment import plan, synthetic_store
from stackcli.experiment.store import Store
from stackcli.experiment.verification import find_faults

WORDS = ["data=majority", "depth=1,2", "keep=none", "seeds=2"]


def test_a_made_up_study_is_whole_and_its_command_finds_every_run_finished(tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    store.create()
    with synthetic_store.without_flushing():
        synthetic_store.publish_study(store, "s", WORDS)
    assert find_faults(store) == []
    planned = plan.plan(grid.parse_grid(WORDS).configs, store)
    assert planned.todo == () and planned.cached == 4 and set(planned.ids) == set(store.ids())
    files = {path.name for path in store.run(planned.ids[0]).iterdir()}
    texts = {"config.json", "result.json", "curve.jsonl", "layers.jsonl", "stack.jsonl", "position.json"}
    assert files == texts | {"words.json", "provenance.json", "manifest.json"}
    rows = (store.run(planned.ids[0]) / "layers.jsonl").read_text().splitlines()
    assert len(rows) == 3 * 9 and {json.loads(row)["layer"] for row in rows} == {1}


def test_the_large_study_has_as_many_runs_as_asked() -> None:
    for runs in (100, 300):
        assert len(grid.parse_grid(synthetic_store.large_words(runs)).configs) == runs


def test_the_disk_is_waited_for_again_afterwards() -> None:
    before = os.fsync
    with synthetic_store.without_flushing():
        assert os.fsync is not before
    assert os.fsync is before
