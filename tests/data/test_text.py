"""Windows of a text file: targets, vocabulary, and memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stackcli.data import _tokens as words
from stackcli.data.base import DataError
from stackcli.data.text import Text, between_words, tokens_of
from tests.data.oracle import every_part, named
from tests.helpers import environment

SENTENCE = "The ice floats. Why? Water is denser! "


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("".join(SENTENCE.replace("ice", f"ice{i % 7}") for i in range(120)), encoding="utf-8")
    return path


@pytest.mark.parametrize("unit", ["char", "word"])
def test_the_target_of_each_token_is_the_next_token_of_the_file(file: Path, unit: str) -> None:
    loaded = Text(path=str(file), unit=unit, train_len=16, longest=2).load()  # type: ignore[arg-type]
    assert loaded.every and loaded.causal and [n for n, _ in loaded.longer] == [8, 16, 32]
    for part in every_part(loaded):
        for tokens, asked in named(loaded, part):
            assert tokens[1:] == asked[:-1]
    if unit == "char":
        text = "".join(t for tokens, _ in named(loaded, loaded.train) for t in tokens)
        assert file.read_text().startswith(text) and 0.75 < len(text) / file.stat().st_size < 0.81
        last = "".join(t for tokens, _ in named(loaded, loaded.test) for t in tokens)
        assert last in file.read_text()[-len(last) - 17 :]


def test_the_vocabulary_is_the_training_parts(tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    path.write_text("ab" * 400 + "c" * 100, encoding="utf-8")
    loaded = Text(path=str(path), train_len=8).load()
    assert set(loaded.vocab) == {"<pad>", "<unk>", "a", "b"} and 1 in loaded.test.tokens[-1]


def test_a_short_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text("too short", encoding="utf-8")
    with pytest.raises(DataError, match="9 chars"):
        Text(path=str(path)).load()


# ---- compared with the file read at once


def plain(path: Path, unit: str) -> list[str]:
    """The tokens of a whole file at once."""
    text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    return list(text) if unit == "char" else words.split_tokens(text)


@pytest.mark.parametrize("unit", ["char", "word"])
def test_reading_in_blocks_gives_the_tokens_vocabulary_and_windows_of_the_whole_file(unit: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    kinds = [
        "the",
        "don't",
        "3,000.5",
        "naïve",
        "日本語。",
        "Ünder",
        "x_1",
        "https://x.example/a?b",
        "(",
        "-",
        "\U0001f44d",
        "\u2028",
    ]
    path = tmp_path / "a.txt"
    words_, gaps = draw.choice(kinds, 60_000).tolist(), draw.choice([" ", "\r\n", "  "], 60_000).tolist()
    path.write_text("".join(word + gap for word, gap in zip(words_, gaps, strict=True)))
    loaded, tokens = Text(path=str(path), unit=unit, train_len=16).load(), plain(path, unit)  # type: ignore[arg-type]
    train, test = tokens[: len(tokens) * 8 // 10], tokens[len(tokens) * 9 // 10 :]
    vocab = words.vocabulary([train], 2)
    assert loaded.vocab == vocab == loaded.classes and loaded.max_len == 64
    for length, part in [(16, loaded.train), *loaded.longer]:
        text = train if part is loaded.train else test
        ids = [vocab.index(t) if t in vocab else 1 for t in text[: length * 100 + 1]]
        rows = [tuple(ids[i : i + length]) for i in range(0, length * 100, length)]
        asked = [tuple(ids[i + 1 : i + length + 1]) for i in range(0, length * 100, length)]
        assert part.tokens[:100] == rows and part.targets[:100] == asked
        assert len(part) == (len(text) - 1) // length


def test_a_corpus_on_one_line_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("anarchism originated as a term of abuse " * 50_000)
    assert len(path.read_text()) == 2_000_000
    for unit in ("char", "word"):
        assert set(Text(path=str(path), unit=unit).load().vocab[2:]) == set(plain(path, unit))


def test_a_text_without_spaces_is_cut_between_its_clauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clause = "水结冰时体积变大，"
    monkeypatch.setattr("stackcli.data.text.STEP", 100)
    found = list(between_words([clause * 40, "e\u0301" * 120]))
    assert found[:4] == [clause * 11] * 3 + [clause * 7] and "".join(found[4:]) == "e\u0301" * 120
    assert all(piece.startswith("e") and len(piece) <= 100 for piece in found[4:])


def test_marks_of_a_corpus_of_words_are_one_token_each_and_unk_is_the_unknown_word() -> None:
    path = Path(__file__).with_name("cases") / "unk_marks.txt"
    loaded = Text(path=str(path), unit="word", train_len=8).load()
    text = path.read_text().split(" ")
    assert set(loaded.vocab) == {"<pad>", *text} and len(loaded.vocab) == len(set(text)) + 1
    found = [loaded.vocab[t] for row in loaded.train.tokens for t in row]
    assert found == text[: len(found)] and loaded.vocab.index("<unk>") == 1
    assert "the file contains 600 <unk>, each read as the unknown word" in loaded.notices
    assert tokens_of("A<UNK>b <eos>\n<b>") == ["a", "<unk>", "b", "<eos>", "<", "b", ">"]


def test_a_notice_says_how_the_file_was_read(tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    path.write_text("ab" * 400 + "c" * 100, encoding="utf-16")
    loaded = Text(path=str(path), train_len=8, encoding="utf-16").load()
    (said,) = loaded.notices
    assert said.startswith(
        "read by char as utf-16: 900 characters; 2 different characters of the training part are known; 56 %"
    )  # 100/180


def test_line_ends_byte_order_mark_and_encoding_do_not_change_the_data_set(tmp_path: Path) -> None:
    text = "one line é\nanother one\n" * 100
    made = {"a": text.encode(), "b": text.replace("\n", "\r\n").encode("utf-16"), "c": b"\xef\xbb\xbf" + text.encode()}
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
    found = [Text(path=str(tmp_path / n), encoding="utf-16" if n == "b" else "utf-8") for n in made]
    assert len({one.fingerprint() for one in found}) == 1
    loaded = [one.load() for one in found]
    assert all(one.train == loaded[0].train and one.vocab == loaded[0].vocab for one in loaded)


# ---- memory

MEASURE = """
import re, sys
import numpy as np
from stackcli.data.text import Text
from stackcli.diagnostics import layer_outputs
from stackcli.training import baselines
from stackcli.training.batching import Padded
from stackcli.training.evaluation import subset

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

def use(path):
    source = Text(path=path, unit=sys.argv[2])
    source.fingerprint()
    loaded = source.load()
    examples = [loaded.train, loaded.val, loaded.test, *(e for _, e in loaded.longer)]
    examples.append(subset(loaded.train, len(loaded.val)))
    parts = [Padded(e, max_len=loaded.max_len, device="cpu", masked=True) for e in examples]
    baselines.majority(loaded)
    for part in parts:
        for batch in part.in_order():
            pass
    layer_outputs.choose_items(parts[2], layer_outputs.draw_sequences(parts[2]), 2048)

use(sys.argv[3])
before = peak()
use(sys.argv[1])
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("unit", ["char", pytest.param("word", marks=pytest.mark.slow)])
def test_a_large_text_takes_at_most_three_times_its_size_in_memory(unit: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    names = np.array(["".join(chr(97 + c) for c in draw.integers(0, 26, 2 + i % 8)) for i in range(5000)])
    text = " ".join(names[draw.zipf(1.5, 1_000_000) % 5000])
    large, small = tmp_path / "large.txt", tmp_path / "small.txt"
    large.write_text(text[:4_000_000])
    small.write_text(text[:400_000])
    command = [sys.executable, "-c", MEASURE, str(large), unit, str(small)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(OMP_NUM_THREADS="1"))
    assert int(done.stdout) <= 3 * large.stat().st_size
