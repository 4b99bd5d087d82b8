"""A trained run that is attacked: how it reads texts, the items that it is attacked on, and the answers of a stack that
is built afresh from the stored weights.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stackcli.common import registry
from stackcli.common.seeding import generator
from stackcli.data.base import Data, TextData
from stackcli.experiment.predict import build_trained, encode_questions, read_questions
from stackcli.experiment.store import Store
from stackcli.experiment.trained_run import Item, Run, items_of_test, items_of_texts, load_data, make_batch, open_run

if TYPE_CHECKING:
    from torch import Tensor

    from stackcli.attack.base import Sample
    from stackcli.diagnostics.attacked_stack import AttackedStack
    from stackcli.model.stack import StackedAttention

UNKNOWN = 1  # id of the token that stands for a text without any
AFRESH = 16  # inputs in a batch when the answers are asked afresh; the attack itself uses other batches


@dataclass(frozen=True)
class AttackedItem:
    """An item to attack. number: in the test part, or -1, -2, ... for a text that was typed; tokens: as they stand in
    the text; tree: the index of each token's parent, where the data have trees; label: its true class."""

    number: int
    tokens: tuple[str, ...]
    tree: tuple[int, ...]
    label: int


@dataclass(frozen=True)
class AttackedRun:
    """A run and its data. out: the folder of runs; words: whether the data are texts."""

    out: Path
    run: Run
    data: Data
    words: bool

    def read(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Returns the token ids of each text, as the run reads it; none for a text without tokens."""
        run = self.run
        if not self.words:
            index = {name: i for i, name in enumerate(run.known["vocab"])}
            return [tuple(index[name] for name in text.split() if name in index) for text in texts]
        plain = [f" {text}" for text in texts]  # a text that is - alone would mean stdin
        found = encode_questions(run.config, run.known, read_questions(run.config, plain, run.name))
        return [ids for _, ids in found]

    def victim(self) -> "AttackedStack":
        """The stack as attacks see it, in single precision, as the run is used."""
        from stackcli.diagnostics.attacked_stack import AttackedStack

        vocab, longest = self.run.known["vocab"], int(self.run.known["max_len"])
        relabel = self.data.true_class if self.data.knows_classes else None
        reserved = 2 if "<unk>" in vocab[:2] else 1
        return AttackedStack(
            copy.deepcopy(self.run.model).float(),
            vocab,
            self.read,
            longest=longest,
            relabel=relabel,
            words=self.words,
            reserved=reserved,
        )

    def test_items(self, count: int) -> list[AttackedItem]:
        """Returns so many items of the test part, chosen at random and the same for every run on the same data; 0: all
        of them. Texts without tokens are left out."""
        test = load_data(self.run).test
        order = generator("evaluation", "attacked items").permutation(len(test)).tolist()
        found = [self.test_item(number) for number in sorted(order[: count or len(order)])]
        return [item for item in found if item.tokens]

    def typed_items(self, texts: Sequence[str]) -> list[AttackedItem]:
        """Returns texts as items whose class is the answer of the run. Raises ValueError for a blank text, and where
        the data of the run are not texts."""
        if not self.words:
            raise ValueError(f"--text: the data of {self.run.name}, data={self.run.config.data.name}, are no texts")
        from stackcli.attack.base import Sample

        found = items_of_texts(self.run, texts)
        samples = [Sample(item.tokens) for item in found]
        answers = self.answer_afresh([" ".join(item.tokens) for item in found], samples)
        return [
            AttackedItem(-number, item.tokens, (), answer)
            for number, (item, answer) in enumerate(zip(found, answers, strict=True), start=1)
        ]

    def test_item(self, number: int) -> AttackedItem:
        """Returns an item of the test part, by number. Raises ValueError for a number that there is not."""
        (item,) = items_of_test(self.run, [number])
        assert item.label is not None
        tokens = item.tokens
        if self.words:
            text = load_data(self.run).test.texts[number]
            tokens = items_of_texts(self.run, [f" {text}"])[0].tokens if text.strip() else ()
        return AttackedItem(number, tokens, item.tree, item.label)

    @cached_property
    def fresh_model(self) -> "StackedAttention":
        """A stack that is built anew from the stored weights, apart from the one that is attacked."""
        config, known, state = Store(self.out, create=False).load_weights(self.run.name)
        return build_trained(config, known, state, every=False)

    def answer_afresh(self, texts: Sequence[str], samples: Sequence["Sample"]) -> list[int]:
        """Returns the class of each text, asked of a stack that is built anew from the stored weights, as the run is
        used: in single precision, in batches of AFRESH, through the tokeniser. Of the samples only positions, trees and
        what is added to the token vectors are used."""
        import torch

        model, known = self.fresh_model, self.run.known
        ids, out = self.read(texts), list[int]()
        for first in range(0, len(texts), AFRESH):
            some = samples[first : first + AFRESH]
            rows = zip(texts[first : first + AFRESH], ids[first : first + AFRESH], some, strict=True)
            batch = make_batch(self.run, [Item(text, (), row or (UNKNOWN,), sample.tree) for text, row, sample in rows])
            pos = model.positions(batch.tokens, batch.mask) + torch.tensor([sample.first for sample in some])[:, None]
            pos = pos.clamp(max=(model.reach or int(known["max_len"])) - 1)  # padding may lie beyond
            with torch.no_grad():
                logits = model(batch.tokens, batch.mask, pos, batch.tree, self.added(some, batch.tokens, model))
            out += logits.argmax(-1).tolist()
        return out

    def added(self, samples: Sequence["Sample"], tokens: "Tensor", model: "StackedAttention") -> "Tensor | None":
        """What is added to the token vectors of a batch, (B, T, D); None for nothing."""
        import torch

        if all(sample.added is None for sample in samples):
            return None
        out = torch.zeros(*tokens.shape, model.embedding.embedding_dim)
        for row, sample in zip(out, samples, strict=True):
            if sample.added is not None:
                row[: len(sample.added)] = sample.added
        return out


def open_attacked_run(out: Path, run: str) -> AttackedRun:
    """Opens a run to attack it. Raises ValueError for an unknown run, one without weights, one with mask=none, and one
    with several answers for a text."""
    found = open_run(out, run)
    if found.model.every:
        raise ValueError(
            f"{found.name} answers at every token; a run with one answer for each text can be attacked, such as one of "
            "data=subjects, csv or order"
        )
    data = registry.build_part("data", found.config.data.name, **found.config.data.options)
    return AttackedRun(out, replace(found, loaded=load_data(found)), data, isinstance(data, TextData))
