"""Labelled sentences with dependency parses, in CoNLL-U files (universaldependencies.org/format.html).

# label = question
1  Why    ...  3  ...        input   why ice floats
2  ice    ...  3  ...        tree    3   3   3
3  floats ...  0  ...        answer  question
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from stackcli import text as words
from stackcli.data.base import Data, DataError, Examples, Loaded, MaxLen, MinCount, check_classes, decode, read_bytes

FIELDS = 10
Sentence = tuple[list[str], list[int], str]  # lower-case forms, parents, label


class Conllu(Data):
    """The class of a sentence stands in a comment before it, `# label = ...` (or another name, `data.label`). Words are
    the second column in lower case, the tree is the seventh; words of several tokens and empty nodes are passed over.
    Sentences longer than `max_len` are refused, as a cut tree is none. Raises DataError in `load`."""

    def __init__(self, *, path: str = "", label: str = "label", max_len: MaxLen = 128, min_count: MinCount = 1) -> None:
        self.path, self.label, self.max_len, self.min_count = path, label, max_len, min_count
        self.labelled = True  # False: sentences are read without their classes, as `predict` does

    def fingerprint(self) -> str:
        return sha256(read_bytes(self.path)).hexdigest()

    def load(self) -> Loaded:
        parts: dict[str, list[Sentence]] = {"train": [], "val": [], "test": []}
        seen: dict[str, str] = {}
        twice = 0
        for forms, tree, label in self.sentences():
            text = " ".join(forms)
            if text in seen:
                twice += 1
                continue
            seen[text] = label
            parts[words.place(text)].append((forms, tree, label))
        pairs = {name: [(" ".join(forms), label) for forms, _, label in rows] for name, rows in parts.items()}
        classes = check_classes([row for rows in pairs.values() for row in rows], pairs, self.path)
        vocab = words.vocabulary([forms for forms, _, _ in parts["train"]], self.min_count)
        ids, number = {t: i for i, t in enumerate(vocab)}, {c: i for i, c in enumerate(classes)}
        done: dict[str, Any] = {
            name: Examples(
                tokens=tuple(words.encode(forms, ids, self.max_len) for forms, _, _ in rows),
                labels=tuple(number[label] for _, _, label in rows),
                texts=tuple(" ".join(forms) for forms, _, _ in rows),
                trees=tuple(tuple(tree) for _, tree, _ in rows),
            )
            for name, rows in parts.items()
        }
        notices = (f"{twice} sentences stand there more than once and are taken once",) if twice else ()
        return Loaded(**done, vocab=vocab, classes=classes, max_len=self.max_len, text=True, notices=notices)

    def sentences(self) -> Iterator[Sentence]:
        """Every sentence of the file. Raises DataError naming the line at fault."""
        content = decode(read_bytes(self.path), self.path)
        label, rows, first = "", list[tuple[str, int]](), 1
        for number, line in enumerate([*content.splitlines(), ""], start=1):
            if line.startswith("#"):
                name, _, value = line[1:].partition("=")
                label = value.strip() if name.strip() == self.label else label
            elif line.strip():
                first = first if rows else number
                rows += self._word(line, number)
            elif rows:
                yield self._sentence(rows, label, first)
                label, rows = "", []

    def _word(self, line: str, number: int) -> list[tuple[str, int]]:
        cells = line.split("\t")
        if len(cells) != FIELDS:
            raise DataError(f"{self.path}: line {number} has {len(cells)} columns, CoNLL-U has {FIELDS}, split by tabs")
        if not cells[0].isdigit():  # 3-4, a word of several tokens; 5.1, an empty node
            return []
        if not cells[6].isdigit():
            raise DataError(f"{self.path}: line {number}: the head is {cells[6]!r}, not a number")
        return [(cells[1].lower(), int(cells[6]))]

    def _sentence(self, rows: list[tuple[str, int]], label: str, first: int) -> Sentence:
        where = f"{self.path}: the sentence at line {first}"
        if self.labelled and not label:
            raise DataError(f"{where} has no comment '# {self.label} = ...'")
        if len(rows) > self.max_len:
            raise DataError(f"{where} has {len(rows)} words, more than data.max_len={self.max_len}")
        tree = [head - 1 if head else at for at, (_, head) in enumerate(rows)]
        if any(head >= len(rows) for head in tree):
            raise DataError(f"{where} has a head beyond its {len(rows)} words")
        for start in range(len(rows)):
            at, steps = start, 0
            while tree[at] != at:
                at, steps = tree[at], steps + 1
                if steps > len(rows):
                    raise DataError(f"{where} is no tree: the heads of word {start + 1} go round in a circle")
        return [form for form, _ in rows], tree, label
