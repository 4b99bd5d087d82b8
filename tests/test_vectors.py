"""Word vectors of a user's own: read, placed, frozen or trained, and their coverage told."""

from pathlib import Path

import numpy as np
import pytest
import torch

from stackcli.data.base import DataError
from stackcli.data.csv import Csv
from stackcli.model import build_for
from stackcli.train import Training
from stackcli.vectors import read
from tests.factory import config
from tests.helpers import stackattn, words, write_data

VECTORS = "Cats 1 0 0 0 0 0 0 0\ndogs 0 2 0 0 0 0 0 0\nunseen 3 3 3 3 3 3 3 3\n"


def files(folder: Path, text: str = VECTORS) -> tuple[Path, Path]:
    (folder / "v.txt").write_text(text, encoding="utf-8")
    return write_data(folder / "d.csv"), folder / "v.txt"


@pytest.mark.parametrize("head", ["", "3 8\n"])
def test_a_file_with_and_without_word2vecs_first_line_is_read(head: str, tmp_path: Path) -> None:
    _, path = files(tmp_path, head + VECTORS)
    rows, known = read(str(path), ["<pad>", "dogs", "cats", "other"])
    assert known.tolist() == [False, True, True, False]
    assert rows[1].tolist() == [0, 2, 0, 0, 0, 0, 0, 0] and rows[2, 0] == 1 and not rows[3].any()


BAD = {
    "cats 1 2\ndogs 1\n": "line 2 has 1 numbers, the first has 2",
    "cats 1 x\n": "line 1",
    "cats 1 inf\n": "line 1 holds a number that is not finite",
    "": "no vectors in it",
}


@pytest.mark.parametrize("text", BAD)
def test_a_file_at_fault_is_named_with_its_line(text: str, tmp_path: Path) -> None:
    data, path = files(tmp_path, text)
    with pytest.raises(DataError) as error:
        Csv(path=str(data), vectors=str(path)).load()
    assert BAD[text] in str(error.value)


@pytest.mark.parametrize("frozen", [False, True])
def test_known_words_begin_with_their_vectors_and_are_trained_unless_frozen(frozen: bool, tmp_path: Path) -> None:
    data, path = files(tmp_path)
    loaded = Csv(path=str(data), vectors=str(path), frozen=frozen).load()
    assert any(
        f"2 of {len(loaded.vocab)} words" in n and ("frozen" if frozen else "trained") in n for n in loaded.notices
    )
    c = config(dim=8, heads=2, ff=1.0, batch=8, steps=4, data="csv")
    model = build_for(c, loaded)
    cats, dogs = (model.embedding.weight[loaded.vocab.index(word)].detach().clone() for word in ("cats", "dogs"))
    assert float(cats[0]) > 0 and torch.count_nonzero(cats) == 1 and float(dogs[1]) == pytest.approx(2 * float(cats[0]))
    assert float(torch.stack((cats, dogs)).square().mean().sqrt()) == pytest.approx(c.embed_std)
    plain = build_for(c, Csv(path=str(data)).load())
    other = loaded.vocab.index("about")
    assert torch.equal(model.embedding.weight[other], plain.embedding.weight[other])
    run = Training(model, loaded, c)
    while not run.finished:
        run.advance()
    after = model.embedding.weight[loaded.vocab.index("cats")].detach()
    assert torch.equal(after, cats) == frozen
    assert run.result().params == sum(p.numel() for p in model.parameters()) - (
        model.embedding.weight.numel() if frozen else 0
    )


def test_vectors_count_in_a_runs_identity_by_content_and_their_width_must_fit(tmp_path: Path) -> None:
    data, path = files(tmp_path)
    line = [*words(data), f"data.vectors='{path.as_posix()}'"]
    done = stackattn("train", *line, cwd=tmp_path)
    assert done.returncode == 0 and "have a vector in" in done.stderr
    moved = path.rename(tmp_path / "w.txt")
    again = stackattn("train", *words(data), f"data.vectors='{moved.as_posix()}'", cwd=tmp_path)
    assert "1 there already" in again.stderr
    without = stackattn("train", *words(data), "--dry-run", cwd=tmp_path)
    assert "1 to train" in without.stderr
    wide = stackattn("train", *words(data, "dim=16"), f"data.vectors='{moved.as_posix()}'", cwd=tmp_path)
    assert wide.returncode == 2 and "dim=8, not 16" in wide.stderr


def test_vectors_of_no_word_change_nothing(tmp_path: Path) -> None:
    data, path = files(tmp_path, "zzz 1 1 1\n")
    loaded = Csv(path=str(data), vectors=str(path)).load()
    c = config(dim=8, heads=2, ff=1.0)
    assert torch.equal(build_for(c, loaded).embedding.weight, build_for(c, Csv(path=str(data)).load()).embedding.weight)
    assert loaded.known is not None and not np.any(loaded.known)
