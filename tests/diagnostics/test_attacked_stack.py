"""A stack as attacks see it, beside the stack itself and finite differences."""

import math
from collections.abc import Sequence

import pytest
import torch

from stackcli.attack.base import Case, Objective, Sample
from stackcli.common import registry
from stackcli.diagnostics.attacked_stack import AttackedStack, margin
from stackcli.model.build import build
from tests.attack.examples import LONGEST, TEXTS, VOCAB, WORDS, attacked, counted_rows, random_stack, read, task
from tests.factory import config, part

SAMPLES = [Sample(tuple(text.split())) for text in TEXTS]


def padded(samples: Sequence[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, written by hand."""
    width = max(len(sample.tokens) for sample in samples)
    rows = [[VOCAB.index(t) if t in VOCAB else 1 for t in sample.tokens] for sample in samples]
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return ids, torch.arange(width)[None] < torch.tensor([len(row) for row in rows])[:, None]


@pytest.mark.parametrize("pe", registry.part_names("pe"))
def test_the_answers_are_those_of_the_stack(pe: str) -> None:
    model = random_stack(pe=pe)
    samples = SAMPLES
    tree = None
    if pe == "structural":
        samples = [Sample(s.tokens, tree=tuple(i // 2 for i in range(len(s.tokens)))) for s in SAMPLES]
        tree = (torch.arange(7) // 2).expand(4, 7)
    victim = attacked(model)
    ids, mask = padded(samples)
    torch.testing.assert_close(victim.logits(samples), model(ids, mask, None, tree), rtol=0, atol=1e-10)
    alone = torch.cat([victim.logits([sample]) for sample in samples])
    torch.testing.assert_close(alone, victim.logits(samples), rtol=0, atol=1e-10)
    torch.testing.assert_close(alone, victim.logits(samples, at_once=1), rtol=0, atol=1e-12)


def test_positions_drawn_at_random_are_those_of_the_stack() -> None:
    pe = part("learned", randomised=True, range=60)
    model = build(config(pe=pe, dim=16, heads=2, ff=2.0), vocab=len(VOCAB), classes=3, max_len=LONGEST).double().eval()
    victim = attacked(model)
    ids, mask = padded(SAMPLES)
    before = model(ids, mask).detach()
    torch.testing.assert_close(victim.logits(SAMPLES), before, rtol=0, atol=1e-10)
    shifted = victim.logits([Sample(sample.tokens, first=17) for sample in SAMPLES])
    assert bool(shifted.isfinite().all()) and float((shifted - before).abs().max()) > 1e-6


@pytest.mark.parametrize("pe", ["learned", "sinusoidal", "rope"])
def test_texts_of_several_lengths_are_shifted_together(pe: str) -> None:
    """A short text at the last positions, padded to the length of a long one at the first."""
    victim = attacked(pe=pe)
    samples = [Sample(("atom",), first=LONGEST - 1), Sample(("leaf", "light"), first=3), Sample(WORDS[:20])]
    alone = torch.cat([victim.logits([sample]) for sample in samples])
    torch.testing.assert_close(victim.logits(samples), alone, rtol=0, atol=1e-10)


def test_padding_and_what_cannot_be_typed_are_no_words() -> None:
    def read_badly(texts: Sequence[str]) -> list[tuple[int, ...]]:
        other = {"atom": (3, 4), "light": (), "leaf": (1,)}
        return [other.get(text, ids) for text, ids in zip(texts, read(texts), strict=True)]

    victim = AttackedStack(random_stack(), VOCAB, read_badly, longest=LONGEST)
    assert victim.words == tuple(word for word in WORDS if word not in ("atom", "light", "leaf"))
    for i, word in enumerate(victim.words):
        assert victim.index[word] == i
        assert torch.equal(victim.vectors[i], victim.model.embedding.weight[VOCAB.index(word)])
    assert victim.ids(Sample(("energy", "atom", "light", "leaf"))) == (VOCAB.index("energy"), 3, 4, 1)
    assert set(task("order").words) == {"0", "1", *(f"x{i}" for i in range(8))}


def test_a_text_is_cut_where_the_stack_stops_reading_and_one_without_tokens_is_unknown() -> None:
    victim = attacked()
    long = Sample(tuple("light" for _ in range(LONGEST + 5)))
    assert len(victim.ids(long)) == len(victim.vectors_of(long)) == LONGEST and victim.room(long) == 0
    assert victim.ids(Sample(())) == (1,)
    torch.testing.assert_close(victim.logits([long]), victim.logits([Sample(("light",) * LONGEST)]), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("tokens", "first", "room"), [(1, 0, 23), (1, 23, 0), (7, 5, 12), (24, 0, 0), (24, 9, 0)])
def test_the_room_is_what_is_left_to_read(tokens: int, first: int, room: int) -> None:
    assert attacked().room(Sample(("light",) * tokens, first=first)) == room


def test_vectors_are_those_of_the_tokens_without_what_is_added() -> None:
    victim = attacked()
    found = victim.vectors_of(Sample(("leaf", "zzz", "leaf"), added=torch.ones(3, 16, dtype=torch.float64)))
    assert torch.equal(found, victim.model.embedding.weight[[VOCAB.index("leaf"), 1, VOCAB.index("leaf")]])


def test_the_margin_is_the_lead_of_the_best_other_class() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.5], [3.0, 1.0, 2.5], [-1.0, -7.0, -2.0]], dtype=torch.float64)
    assert margin(logits, torch.tensor([0, 1, 2])).tolist() == [-0.5, 2.0, 1.0]
    victim = attacked()
    found = victim.margins(SAMPLES, [0, 1, 2, 0])
    for value, sample, label in zip(found.tolist(), SAMPLES, [0, 1, 2, 0], strict=True):
        row = victim.logits([sample])[0].tolist()
        true = row.pop(label)
        assert value == pytest.approx(max(row) - true, abs=1e-10)
        assert (value > 0) == (max(row) > true)
    assert victim.margins([], []).tolist() == []


def test_the_margin_is_that_of_the_class_after_the_change() -> None:
    victim = task("order")
    before, after, none = Sample(("0", "x0", "1")), Sample(("1", "x0", "0")), Sample(("1", "x0", "1"))
    found = victim.margins([before, after, none], [1, 1, 1]).tolist()
    a, b = victim.logits([before])[0].tolist(), victim.logits([after])[0].tolist()
    assert found == [pytest.approx(a[0] - a[1], abs=1e-10), pytest.approx(b[1] - b[0], abs=1e-10), -math.inf]
    assert victim.true_class(none, 1) is None and victim.knows_labels
    assert attacked().true_class(none, 1) == 1 and not attacked().knows_labels


def test_the_gradient_is_that_of_the_class_after_the_change() -> None:
    victim = task("order")
    turned = Sample(("1", "x0", "0"))  # made from an input of class 1
    texts, right = victim.texts([Case(turned, 1)]), victim.texts([Case(turned, 0)])
    for of in ("loss", "margin"):
        assert torch.equal(texts.gradient(texts.nothing, of), right.gradient(right.nothing, of))


@pytest.mark.parametrize("pe", ["learned", "relative", "rope"])
def test_the_gradient_is_that_of_finite_differences_and_0_at_padding(pe: str) -> None:
    victim = attacked(pe=pe)
    cases = [Case(sample, i % 3) for i, sample in enumerate(SAMPLES)]
    texts = victim.texts(cases)
    draw = torch.Generator().manual_seed(0)
    at = 0.1 * torch.randn(texts.nothing.shape, generator=draw, dtype=torch.float64)
    _, mask = padded(SAMPLES)

    def values(added: torch.Tensor, of: Objective) -> torch.Tensor:
        out = []
        for i, one in enumerate(cases):
            n = len(one.sample.tokens)
            logits = victim.model(torch.tensor([victim.ids(one.sample)]), added=added[i : i + 1, :n])[0]
            others = torch.cat([logits[: one.label], logits[one.label + 1 :]])
            out.append((others.max() if of == "margin" else logits.logsumexp(0)) - logits[one.label])
        return torch.stack(out)

    for of in ("loss", "margin"):
        g = texts.gradient(at, of)
        assert bool((g[~mask] == 0).all())
        for _ in range(5):
            along = torch.randn(at.shape, generator=draw, dtype=torch.float64)
            step = 1e-7 * along  # so short that no unit of a ReLU is switched
            slope = (values(at + step, of) - values(at - step, of)) / 2e-7
            torch.testing.assert_close((g * along).sum((1, 2)), slope, rtol=1e-5, atol=1e-6)


def test_what_is_added_reaches_its_own_text_alone() -> None:
    victim = attacked()
    added = torch.randn(5, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    samples = [SAMPLES[0], Sample(SAMPLES[1].tokens, added=added), SAMPLES[2]]
    found, plain = victim.logits(samples), victim.logits(SAMPLES[:3])
    torch.testing.assert_close(found[[0, 2]], plain[[0, 2]], rtol=0, atol=1e-12)
    by_hand = victim.model(torch.tensor([victim.ids(SAMPLES[1])]), added=added[None])
    torch.testing.assert_close(found[1:2], by_hand, rtol=0, atol=1e-10)
    assert float((found[1] - plain[1]).abs().max()) > 1e-6


def test_every_answer_and_every_gradient_is_counted_once() -> None:
    victim = attacked()
    with counted_rows(victim.model) as rows:
        victim.logits(SAMPLES)
        victim.margins(SAMPLES[:2], [0, 1])
        texts = victim.texts([Case(sample, 0) for sample in SAMPLES[:3]])
        texts.gradient(texts.nothing, "loss")
        victim.vectors_of(SAMPLES[0])
    assert victim.queries == sum(rows) == 4 + 2 + 3


def test_it_is_a_copy_in_eval_mode_and_the_stack_stays_as_it_is() -> None:
    model = random_stack(dropout=0.5).train()
    victim = attacked(model)
    assert all(module.training for module in model.modules())
    assert not any(module.training for module in victim.model.modules())
    before = victim.logits(SAMPLES)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert torch.equal(victim.logits(SAMPLES), before) and before.dtype == torch.float64
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_stack_that_answers_at_every_token_is_refused() -> None:
    model = build(config(dim=16, heads=2), vocab=len(VOCAB), classes=3, max_len=LONGEST, every=True)
    with pytest.raises(ValueError, match="answer at each token"):
        attacked(model)
