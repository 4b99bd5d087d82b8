"""A user's word vectors: reading them, using them in a model, and notices of their coverage."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from stackcli.data._vectors import read_vectors
from stackcli.data.base import DataError
from stackcli.data.csv import Csv
from stackcli.diagnostics import layer_statistics
from stackcli.model.build import build_for
from stackcli.training.loop import Training
from tests.factory import config
from tests.helpers import stackattn, words, write_data

VECTORS = "Cats 1 0 0 0 0 0 0 0\ndogs 0 2 0 0 0 0 0 0\nunseen 3 3 3 3 3 3 3 3\n"


def files(folder: Path, text: str = VECTORS) -> tuple[Path, Path]:
    (folder / "v.txt").write_text(text, encoding="utf-8")
    return write_data(folder / "d.csv"), folder / "v.txt"


@pytest.mark.parametrize("head", ["", "3 8\n"])
def test_a_file_with_and_without_word2vecs_first_line_is_read(head: str, tmp_path: Path) -> None:
    _, path = files(tmp_path, head + VECTORS)
    rows, known, notices = read_vectors(str(path), ["<pad>", "dogs", "cats", "other"])
    assert known.tolist() == [False, True, True, False] and notices == []
    assert rows[1].tolist() == [0, 2, 0, 0, 0, 0, 0, 0] and rows[2, 0] == 1 and not rows[3].any()


BAD = {
    "cats 1 2\ndogs 1\n": "line 2 has 1 numbers, the first has 2",
    "cats 1 x\n": "line 1",
    "cats 1 inf\n": "line 1 holds a number that is not finite",
    "": "no vectors in it",
}


@pytest.mark.parametrize("text", BAD)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(text: str, tmp_path: Path) -> None:
    data, path = files(tmp_path, text)
    with pytest.raises(DataError) as error:
        Csv(path=str(data), vectors=str(path)).load()
    assert BAD[text] in str(error.value)


@pytest.mark.parametrize("frozen", [False, True])
def test_known_words_start_from_their_vectors_and_are_trained_unless_frozen(frozen: bool, tmp_path: Path) -> None:
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
    run = Training(model, loaded, c, layer_statistics)
    while not run.finished:
        run.advance()
    after = model.embedding.weight[loaded.vocab.index("cats")].detach()
    assert torch.equal(after, cats) == frozen
    assert run.result().params == sum(p.numel() for p in model.parameters()) - (
        model.embedding.weight.numel() if frozen else 0
    )


def test_the_identity_of_a_run_includes_the_content_of_its_vectors_and_their_width_must_be_dim(tmp_path: Path) -> None:
    data, path = files(tmp_path)
    line = [*words(data), f"data.vectors='{path.as_posix()}'"]
    done = stackattn("train", *line, cwd=tmp_path)
    assert done.returncode == 0 and "have a vector in" in done.stderr
    moved = path.rename(tmp_path / "w.txt")
    again = stackattn("train", *words(data), f"data.vectors='{moved.as_posix()}'", cwd=tmp_path)
    assert "1 finished before" in again.stderr
    without = stackattn("train", *words(data), "--dry-run", cwd=tmp_path)
    assert "1 to train" in without.stderr
    wide = stackattn("train", *words(data, "dim=16"), f"data.vectors='{moved.as_posix()}'", cwd=tmp_path)
    assert wide.returncode == 2 and "dim=8, not 16" in wide.stderr


def test_a_file_without_any_of_the_words_is_refused(tmp_path: Path) -> None:
    data, path = files(tmp_path, "zzz 1 1 1\n")
    with pytest.raises(DataError, match=r"none of the .* words of the training texts has a vector"):
        Csv(path=str(data), vectors=str(path)).load()


VOCAB = ["<pad>", "<unk>", "red", "blue", "strasse", "3", "\u00e9t\u00e9"]
PLAIN = b"red 1 2\nblue 3 4\n"
SAME = {
    "tabs": b"red\t1\t2\nblue\t3\t4\n",
    "two spaces": b"red  1  2\nblue  3 4 \n",
    "blank last lines": PLAIN + b"\n  \n\n",
    "carriage returns": PLAIN.replace(b"\n", b"\r\n"),
    "a byte order mark": b"\xef\xbb\xbf" + PLAIN,
    "a header with a mark": b"\xef\xbb\xbf2 2\r\n" + PLAIN,
    "no last line end": PLAIN.rstrip(),
    "words with spaces": b". . . 9 9\nred 1 2\nat 5 9 9\nblue 3 4\n",
    "a word that is a space": b"red 1 2\n  9 9\nblue 3 4\n",
    "a space at first": b"  9 9\nred 1 2\nblue 3 4\n",
    "a tab at first": b"\t9\t9\nred\t1\t2\nblue\t3\t4\n",
    "line ends of other scripts": "red 1 2\n\u2028 9 9\n\u0085 9 9\n\u00a0 9 9\nblue 3 4\n".encode(),
    "a reserved name": PLAIN + b"<unk> 9 9\n<pad> 9 9\n",
}


@pytest.mark.parametrize("name", SAME)
def test_every_way_of_writing_a_file_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes(SAME[name])
    rows, known, notices = read_vectors(str(tmp_path / "v.txt"), VOCAB)
    assert rows[2:4].tolist() == [[1, 2], [3, 4]] and np.flatnonzero(known).tolist() == [2, 3] and notices == []


def test_lines_that_are_not_utf8_are_skipped_and_counted(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes(b"caf\xe9 9 9\n" + PLAIN + b"\xe9t\xe9 9 9\n")
    rows, known, notices = read_vectors(str(tmp_path / "v.txt"), VOCAB)
    assert rows[2:4].tolist() == [[1, 2], [3, 4]] and known.sum() == 2
    assert len(notices) == 1 and notices[0].endswith("v.txt: 2 lines that are not UTF-8 skipped")


def test_the_first_vector_of_a_word_is_used_and_repeats_give_a_notice(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes(b"Blue 8 8\nred 1 2\nRED 7 7\nred 9 9\nblue 3 4\nred 9 9\nother 1 1\nother 1 1\n")
    rows, _, notices = read_vectors(str(tmp_path / "v.txt"), VOCAB)
    assert rows[2:4].tolist() == [[1, 2], [3, 4]]  # a word as the vocabulary writes it goes before its capitals
    assert len(notices) == 1 and "v.txt: 1 word occurs more than once" in notices[0]


def test_gzip_is_unpacked_and_other_files_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "v.gz").write_bytes(gzip.compress(PLAIN))
    assert read_vectors(str(tmp_path / "v.gz"), VOCAB)[0][2:4].tolist() == [[1, 2], [3, 4]]
    for content, said in {
        b"PK\x03\x04 and more": "ZIP archive",
        b"\x1f\x8b\x08 and more": "damaged gzip",
        b"\n \n": "no vectors in it",
        b"a" * (1 << 20): "line 1 has more than 1,048,576 bytes",
    }.items():
        (tmp_path / "v.txt").write_bytes(content)
        with pytest.raises(DataError, match=said):
            read_vectors(str(tmp_path / "v.txt"), VOCAB)
    (tmp_path / "v.txt").unlink()
    with pytest.raises(DataError, match="no such file"):
        read_vectors(str(tmp_path / "v.txt"), VOCAB)


def test_words_are_compared_after_normalisation(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("Stra\u00dfe 1 2\ne\u0301te\u0301 3 4\n3 5 6\n", encoding="utf-8")
    rows, known, _ = read_vectors(str(tmp_path / "v.txt"), VOCAB)
    assert np.flatnonzero(known).tolist() == [4, 5, 6] and rows[4:].tolist() == [[1, 2], [5, 6], [3, 4]]


def test_a_line_with_too_few_numbers_is_refused_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("2 3\nred 1 2 3\nblue 1 2\n")
    with pytest.raises(ValueError, match="line 3 has 2 numbers, the first has 3"):
        read_vectors(str(tmp_path / "v.txt"), VOCAB)
