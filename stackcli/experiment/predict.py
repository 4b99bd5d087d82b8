"""Predictions of a trained run: an answer for each text or sentence, with its probabilities.

The questions depend on the data of the run. A classifier of texts takes texts; a classifier of parsed sentences
(data=conllu) takes CoNLL-U files and reads their trees; a language model (data=text) names the next tokens.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackcli.common import registry
from stackcli.common.wording import count_noun
from stackcli.config.settings import Config
from stackcli.data import _tokens as words
from stackcli.experiment.store import Store

if TYPE_CHECKING:
    from stackcli.model.stack import StackedAttention

NEXT = 10  # likeliest next tokens that a language model names


@dataclass(frozen=True)
class Question:
    """A text as the run reads it: `tokens` before any cut, empty for a blank text; `tree`: the index of each token's
    parent, where the data of the run have trees."""

    text: str
    tokens: tuple[str, ...]
    tree: tuple[int, ...] = ()


@dataclass(frozen=True)
class Answer:
    """Class (or next token) -> probability, the most probable first, empty for a blank text; how many tokens were read,
    how many of these the run does not know, and how many were left out because the text is too long."""

    text: str
    shares: dict[str, float]
    tokens: int
    unknown: int
    cut: int

    @property
    def row(self) -> dict[str, Any]:
        """The answer as a row of `--json`."""
        counts = {"tokens": self.tokens, "unknown": self.unknown, "cut": self.cut}
        return {"text": self.text, "answer": next(iter(self.shares), None), "probability": self.shares, **counts}


def predict(out: Path, run: str, asked: Sequence[str]) -> list[Answer]:
    """Returns an answer for each text, or for each sentence of CoNLL-U files; `-` is stdin, with a text on each line.

    Raises ValueError for an unknown run, for one without weights, and for one that cannot be asked."""
    store = Store(out, create=False)
    run = store.find(run)
    config, known, state = store.load_weights(run)
    questions = read_questions(config, asked, run)
    return answer_questions(config, known, state, questions)


def edited_parts(out: Path, run: str) -> str:
    """Says which parts of a run were edited after its training; empty where there are none."""
    store = Store(out, create=False)
    found = store.changed(store.find(run))
    return (
        f"{', '.join(found)}: edited since this run was trained; the answers come from the edited code" if found else ""
    )


def describe_answers(answers: Sequence[Answer]) -> list[str]:
    """Says how many texts were cut, and how many tokens the run does not know."""
    read, unknown = sum(a.tokens for a in answers), sum(a.unknown for a in answers)
    cut = [a for a in answers if a.cut]
    said = []
    if cut:
        most = max(a.tokens for a in cut)
        texts = count_noun(len(answers), "texts")
        said.append(f"{len(cut)} of {texts} longer than the run reads, cut to {count_noun(most, 'tokens')}")
    if unknown:
        said.append(
            f"{unknown} of {count_noun(read, 'tokens')} unknown to the run: they were rare or absent in training"
        )
    return said


# ---- the questions


def read_questions(config: Config, asked: Sequence[str], run: str) -> list[Question]:
    """Reads the questions as the run read its own data. Raises ValueError for data that take no questions."""
    from stackcli.data.base import TextData
    from stackcli.data.conllu import Conllu
    from stackcli.data.text import Text

    source = registry.build_part("data", config.data.name, **config.data.options)
    if isinstance(source, Conllu):
        return [
            q for name in asked for q in _sentences(source, name, registry.load_part("pe", config.pe.name).needs_tree)
        ]
    if not isinstance(source, TextData | Text):
        raise ValueError(
            f"{run} was trained on data={config.data.name}, which is not text, so it cannot be asked about one; its "
            "results are in stackattn runs. Runs of data=subjects, csv, conllu and text can be asked"
        )
    texts = [line for text in asked for line in (stdin_lines() if text == "-" else [text])]
    split = _characters_or_words(source.unit) if isinstance(source, Text) else source._tokens
    return [Question(text, tuple(split(text)) or ("",) if text.strip() else ()) for text in texts]


def _characters_or_words(unit: str) -> Any:
    from stackcli.data.text import tokens_of

    return list if unit == "char" else tokens_of


def stdin_lines() -> list[str]:
    """Returns the lines of stdin, read as UTF-8 whatever the encoding of the terminal. Raises ValueError that names a
    line in another encoding."""
    lines = sys.stdin.buffer.read().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not lines[-1]:
        lines.pop()
    out = []
    for number, line in enumerate(lines, start=1):
        try:
            out.append(line.removesuffix(b"\r").decode("utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError(f"stdin: line {number} is not UTF-8 (byte {error.start} of it)") from None
    return out


def _sentences(source: Any, name: str, needs_tree: bool) -> Iterator[Question]:
    """Yields the sentences of a CoNLL-U file, which need no label, or of stdin."""
    if name == "-":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "stdin"
            path.write_bytes(sys.stdin.buffer.read())
            try:
                yield from _sentences(source, str(path), needs_tree)
            except ValueError as error:
                raise ValueError(str(error).replace(str(path), "stdin")) from None
        return
    if not Path(name).is_file():
        raise ValueError(f"{name}: no such file; this run reads sentences from CoNLL-U files, or from stdin with -")
    source.path, source.labelled = name, False
    for forms, tree, _ in source.sentences():
        if needs_tree and not tree:
            raise ValueError(f"{name}: {' '.join(forms)!r} has no tree, which the encoding of this run needs")
        yield Question(" ".join(forms), tuple(forms), tuple(tree))


# ---- the answers


def answer_questions(
    config: Config, known: dict[str, Any], state: dict[str, Any], questions: Sequence[Question]
) -> list[Answer]:
    """Returns an answer for each question, without probabilities for a blank text. Texts are batched as in an
    evaluation."""
    language, vocab = config.data.name == "text", set(known["vocab"])
    encoded = encode_questions(config, known, questions)
    rows = [(ids, q.tree) for (_, ids), q in zip(encoded, questions, strict=True) if ids]
    shares = iter(probabilities(config, known, state, rows, every=language) if rows else ())
    out = []
    for question, (tokens, _) in zip(questions, encoded, strict=True):
        unknown = sum(token not in vocab for token in tokens)
        found = rank_classes(known["classes"], next(shares)) if tokens else {}
        if language:  # padding is not a token of the text
            found = dict([pair for pair in found.items() if pair[0] != words.RESERVED[0]][:NEXT])
        out.append(Answer(question.text, found, len(tokens), unknown, len(question.tokens) - len(tokens)))
    return out


def encode_questions(
    config: Config, known: dict[str, Any], questions: Sequence[Question]
) -> list[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Returns the tokens of each question that the run reads, and their ids: a classifier reads the beginning of a long
    text, a language model the last `data.train_len` tokens. Texts are cleaned as the run's own were (`data.clean`)."""
    from stackcli.data.base import TextData

    language = config.data.name == "text"
    limit = int(config.data.options["train_len"]) if language else int(known["max_len"])
    vocab = {token: i for i, token in enumerate(known["vocab"])}
    kept = [q.tokens[-limit:] if language else q.tokens[:limit] for q in questions]
    source = registry.build_part("data", config.data.name, **config.data.options)
    if isinstance(source, TextData):
        kept = [tuple(source.clean_tokens(tokens, known["vocab"])) for tokens in kept]
    return [(tokens, tuple(words.encode(tokens, vocab, limit))) if tokens else ((), ()) for tokens in kept]


def rank_classes(classes: Sequence[str], shares: Sequence[float]) -> dict[str, float]:
    """Returns class -> probability, the most probable first."""
    return dict(sorted(zip(classes, shares, strict=True), key=lambda item: -item[1]))


def build_trained(config: Config, known: dict[str, Any], state: dict[str, Any], *, every: bool) -> "StackedAttention":
    """Builds the stack of a run with its weights, in eval mode. every: whether it answers at every token."""
    import torch

    from stackcli.model.build import build

    torch.set_num_threads(config.threads)
    sizes = {"vocab": len(known["vocab"]), "classes": len(known["classes"]), "max_len": known["max_len"]}
    model = build(config, **sizes, every=every)
    model.load_state_dict(state)
    return model.eval()


def probabilities(
    config: Config,
    known: dict[str, Any],
    state: dict[str, Any],
    rows: Sequence[tuple[tuple[int, ...], tuple[int, ...]]],
    *,
    every: bool,
) -> list[list[float]]:
    """Returns the probability of each class for each row (tokens, tree), (N, C); where a model answers at `every`
    token, that after the last."""
    import torch

    from stackcli.data.base import Examples
    from stackcli.training.batching import Padded

    model = build_trained(config, known, state, every=every)
    trees = tuple(tree for _, tree in rows) if all(tree for _, tree in rows) else ()
    examples = Examples(tuple(tokens for tokens, _ in rows), (0,) * len(rows), ("",) * len(rows), trees=trees)
    part = Padded(examples, max_len=known["max_len"], device="cpu", masked=config.mask == "padding")
    out: list[list[float]] = [[]] * len(rows)
    full = config.pad == "max"
    for chosen in part.groups(part.shortest_first, full=full):
        batch = part.cut(chosen, full=full)
        with torch.no_grad():
            logits = model(batch.tokens, batch.mask, batch.pos, batch.tree)
        if every:
            logits = logits[torch.arange(len(chosen)), torch.from_numpy(part.lengths[chosen]) - 1]
        for row, found in zip(chosen.tolist(), logits.softmax(-1).tolist(), strict=True):
            out[row] = found
    return out
