"""Labelled sentences with dependency parses, in CoNLL-U files (universaldependencies.org/format.html).

# label = question
1  Why    ...  3  ...        input   why ice floats
2  ice    ...  3  ...        tree    3   3   3
3  floats ...  0  ...        answer  question
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stackcli.common.wording import count_noun
from stackcli.data import _tokens as words
from stackcli.data._source import DataError, check_encoding, content_hash, expand_home, read_text
from stackcli.data._table import check_lines
from stackcli.data.base import Data, Examples, Loaded, MaxLen, MinCount, check_classes, check_trained

FIELDS = 10
USAGE = "data=conllu data.path=FILE"
INTEGER = re.compile("[0-9]+")
SKIPPED = re.compile(r"[0-9]+[-.][0-9]+")  # 3-4, a word of several tokens; 5.1, an empty node
Sentence = tuple[list[str], list[int], str]  # normalised forms, parents (empty without heads), label


class _Word(NamedTuple):
    """A word of a sentence and its line; `head` is 0 for a root, and None where the file gives no head."""

    line: int
    form: str
    head: int | None


@dataclass
class _Block:
    """The lines between two blank lines."""

    comments: dict[str, str] = field(default_factory=dict)
    document: bool = False  # whether it begins a document
    words: list[_Word] = field(default_factory=list)


class Conllu(Data):
    """Sentences of a CoNLL-U file. `load` raises DataError for errors in the file.

    The class of a sentence is in a comment before it, `# label = ...` (or another name, `data.label`), or in a comment
    of its document, `# newdoc ... = ...` or `# meta::... = ...`, which is valid up to the next `# newdoc`. The second
    column holds the words, the seventh the tree; words of several tokens and empty nodes are skipped. If any head is
    missing (`_`), no sentence has a tree. Sentences longer than `max_len` are refused, since a tree cannot be cut. Only
    `\\n` and `\\r\\n` end a line.
    """

    def __init__(
        self,
        *,
        path: str = "",
        label: str = "label",
        max_len: MaxLen = 128,
        min_count: MinCount = 1,
        encoding: str = "utf-8",
    ) -> None:
        self.path, self.encoding = expand_home(path), check_encoding(encoding)
        self.label, self.max_len, self.min_count = label, max_len, min_count
        self.headless: list[int] = []  # lines of words without a head
        self.forests: list[int] = []  # lines of the first words of sentences with several roots
        self.labelled = True  # False: classes are not required, as in `predict`

    def fingerprint(self) -> str:
        return content_hash(self.path, self.encoding, USAGE)

    def load(self) -> Loaded:
        parts: dict[str, list[Sentence]] = {"train": [], "val": [], "test": []}
        seen: dict[str, str] = {}
        twice, other = 0, 0
        for forms, tree, label in self.sentences():
            text = " ".join(forms)
            if text in seen:
                twice, other = twice + 1, other + (seen[text] != label)
                continue
            seen[text] = label
            parts[words.choose_part(text)].append((forms, tree, label))
        pairs = {name: [(" ".join(forms), label) for forms, _, label in rows] for name, rows in parts.items()}
        classes = check_classes([row for rows in pairs.values() for row in rows], pairs, self.path)
        rare = check_trained(pairs, classes, self.path)
        vocab = words.vocabulary([forms for forms, _, _ in parts["train"]], self.min_count)
        ids, number = {t: i for i, t in enumerate(vocab)}, {c: i for i, c in enumerate(classes)}
        done: dict[str, Any] = {
            name: Examples(
                tokens=tuple(words.encode(forms, ids, self.max_len) for forms, _, _ in rows),
                labels=tuple(number[label] for _, _, label in rows),
                texts=tuple(" ".join(forms) for forms, _, _ in rows),
                trees=() if self.headless else tuple(tuple(tree) for _, tree, _ in rows),
            )
            for name, rows in parts.items()
        }
        rare += words.unknown_notices(done["test"].tokens, self.min_count)
        return Loaded(
            **done,
            vocab=vocab,
            classes=classes,
            max_len=self.max_len,
            text=True,
            notices=(*self._notices(twice, other), *rare),
            treeless=f"line {self.headless[0]} has no head ('_')" if self.headless else "",
        )

    def _notices(self, twice: int, other: int) -> tuple[str, ...]:
        """Returns notices of what may be unexpected in the file."""
        notices = []
        if twice:
            many = count_noun(twice, "repeated sentences")
            labels = f", {other} of them with another label" if other else ""
            notices.append(f"{many} left out{labels}")
        if self.headless:
            many = count_noun(len(self.headless), "words have", "word has")
            notices.append(f"{many} no head, the first at line {self.headless[0]}: no trees")
        if self.forests:
            count = count_noun(len(self.forests), "sentences have", "sentence has")
            notices.append(f"{count} several roots, the first at line {self.forests[0]}: each has a tree of its own")
        return tuple(notices)

    def sentences(self) -> Iterator[Sentence]:
        """Yields every sentence of the file. Raises DataError with the line that cannot be read."""
        self.headless, self.forests = [], []
        document: dict[str, str] = {}
        for block in self.blocks():
            document = {} if block.document else document
            document |= {k: v for k, v in block.comments.items() if k.startswith(("newdoc", "meta::"))}
            if block.words:
                yield self._sentence(block.words, {**document, **block.comments})

    def blocks(self) -> Iterator[_Block]:
        """Yields the comments and words between two blank lines, block by block."""
        content = read_text(self.path, self.encoding, USAGE)
        check_lines(content, self.path)
        block = _Block()
        for number, line in enumerate([*content.split("\n"), ""], start=1):
            if line.startswith("#"):
                name, _, value = line[1:].partition("=")
                block.comments[name.strip()] = value.strip()
                block.document |= name.strip().split(" ")[0] == "newdoc"
            elif line.strip(" \t"):
                self._word(line, number, block.words)
            else:
                yield block
                block = _Block()

    def _word(self, line: str, number: int, before: list[_Word]) -> None:
        """Appends the word of a line to the words before it."""
        cells = line.split("\t")
        where = f"{self.path}: line {number}"
        if len(cells) != FIELDS:
            raise DataError(f"{where} has {len(cells)} columns, CoNLL-U has {FIELDS}, split by tabs")
        if SKIPPED.fullmatch(cells[0]):
            return
        if cells[0] != str(len(before) + 1):
            raise DataError(
                f"{where}: the word's number is {cells[0]!r}, not {len(before) + 1}; words are "
                "numbered from 1, and a blank line ends a sentence"
            )
        if cells[6] != "_" and not INTEGER.fullmatch(cells[6]):
            raise DataError(f"{where}: the head is {cells[6]!r}, not a number")
        if cells[6] == cells[0]:
            raise DataError(f"{where}: word {cells[0]} is its own head; the head of a root is 0")
        before.append(_Word(number, words.normalise(cells[1]), None if cells[6] == "_" else int(cells[6])))

    def _sentence(self, rows: list[_Word], comments: Mapping[str, str]) -> Sentence:
        where = f"{self.path}: the sentence at line {rows[0].line}"
        label = comments.get(self.label, "")
        if self.labelled and not label:
            raise DataError(
                f"{where} has no comment '# {self.label} = ...', and neither has its document; a comment belongs to "
                "the sentence that follows it without a blank line"
            )
        if len(rows) > self.max_len:
            raise DataError(f"{where} has {len(rows)} words, more than data.max_len={self.max_len}")
        self.headless += [word.line for word in rows if word.head is None]
        heads = [word.head for word in rows if word.head is not None]
        return [word.form for word in rows], self._tree(heads, where, rows) if len(heads) == len(rows) else [], label

    def _tree(self, heads: list[int], where: str, rows: list[_Word]) -> list[int]:
        """Returns the index of each word's parent; a root is its own parent."""
        if max(heads) > len(rows):
            raise DataError(f"{where} has a head beyond its {len(rows)} words")
        tree = [head - 1 if head else at for at, head in enumerate(heads)]
        for start in range(len(rows)):
            at, steps = start, 0
            while tree[at] != at:
                at, steps = tree[at], steps + 1
                if steps > len(rows):
                    raise DataError(f"{where} is not a tree: the heads of word {start + 1} form a circle")
        if heads.count(0) > 1:
            self.forests.append(rows[0].line)
        return tree
