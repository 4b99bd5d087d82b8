"""W&B offline: its own files, read back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stackcli.tracker.base import add_section
from stackcli.tracker.wandb import BLOCK, Wandb, read_records
from tests.tracker.examples import KEY, RESULT, RUN, SETTINGS, STEPS, THIRD, numbers, tell

pytest.importorskip("wandb")


def records(out: Path, key: str = KEY) -> Iterator[Any]:
    """Yields the records of all files, in the order in which `wandb sync` sends them."""
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    for path in sorted(out.glob(f"wandb/offline-run-*-{key}/*.wandb")):
        for content in read_records(path.read_bytes()):
            yield Record.FromString(content)


def items(of: Any) -> dict[str, Any]:
    return {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in of}


def history(out: Path, key: str = KEY) -> list[dict[str, Any]]:
    rows = [items(r.history.item) for r in records(out, key) if r.HasField("history")]
    return [{k: v for k, v in row.items() if k not in ("_timestamp", "_runtime")} for row in rows]


def expected(steps: tuple[int, ...]) -> list[dict[str, Any]]:
    return [{"_step": step, **{add_section(k): v for k, v in numbers(step).items()}} for step in steps]


def test_a_run_that_was_killed_goes_on_with_each_step_once_and_ends_with_its_result(tmp_path: Path) -> None:
    secret = "c0ffee" * 7
    assert tell("wandb", tmp_path, STEPS[:3], WANDB_API_KEY=secret) == [{"ended": True}]
    assert history(tmp_path) == expected(STEPS[:3])
    assert tell("wandb", tmp_path, STEPS, result=RESULT, keys={"project": "depth"}) == [{"ended": True}]
    assert history(tmp_path) == expected(STEPS)
    runs = [r.run for r in records(tmp_path) if r.HasField("run")]
    first, last = runs[0], runs[-1]
    assert (first.run_id, last.run_id, first.project, last.project) == (KEY, KEY, "stackattn", "depth")
    assert last.run_group == "sweep-depth" and last.display_name == "depth=2 seed=3"
    assert set(last.tags) == {RUN, "seed 3"}
    config = {u.key: json.loads(u.value_json) for u in last.config.update if u.key != "_wandb"}
    assert config == {**SETTINGS, "study": "sweep-depth", "run": RUN}
    summary = {k: v for r in records(tmp_path) if r.HasField("summary") for k, v in items(r.summary.update).items()}
    assert summary["result/test_acc"] == THIRD and summary["status"] == "done"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and not [path for path in files if secret.encode() in path.read_bytes()]
    assert not [path.name for path in files if path.name in ("wandb-metadata.json", "requirements.txt", "output.log")]


def test_the_environment_decides_what_is_not_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_PROJECT", "WANDB_ENTITY", "WANDB_MODE", "WANDB_DIR", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    usual = Wandb(tmp_path)
    assert (usual.project, usual.mode, usual.folder) == ("stackattn", "offline", tmp_path)
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "w"))
    theirs = Wandb(tmp_path)
    assert (theirs.project, theirs.mode, theirs.folder) == ("theirs", "online", tmp_path / "w")
    typed = Wandb(tmp_path, project="mine", mode="offline")
    assert (typed.project, typed.mode) == ("mine", "offline")
    assert theirs.place() == "https://wandb.ai/home" and typed.place() == ""


def test_a_record_that_spans_blocks_is_put_together_and_one_that_is_cut_off_is_left_out() -> None:
    def piece(body: bytes, kind: int) -> bytes:
        return bytes(4) + len(body).to_bytes(2, "little") + bytes([kind]) + body

    room = BLOCK - 7 - 7
    content = (
        b":W&B" + bytes(3) + piece(b"a" * room, 2) + piece(b"b" * (BLOCK - 7), 3) + piece(b"c", 4) + piece(b"d", 1)
    )
    assert list(read_records(content)) == [b"a" * room + b"b" * (BLOCK - 7) + b"c", b"d"]
    assert list(read_records(content[:-1])) == [b"a" * room + b"b" * (BLOCK - 7) + b"c"]
    full = b":W&B" + bytes(3) + piece(b"a" * (room - 3), 1)  # three bytes of the block are left: too few for a head
    assert list(read_records(full + bytes(3) + piece(b"d", 1))) == [b"a" * (room - 3), b"d"]
