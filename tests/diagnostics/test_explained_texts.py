"""A stack and its texts as the methods of explanation see them."""

import pytest
import torch

from stackcli.diagnostics.explained_texts import ExplainedTexts, changed_gradients, exact_copy, replace_attribute
from stackcli.model.batch import Batch
from tests.explain.examples import texts
from tests.factory import padding, stack, tokens


@pytest.mark.parametrize("residual", ["pre", "post", "admin"])
@pytest.mark.parametrize("pe", ["learned", "rope", "conv"])
def test_the_logits_are_those_of_the_stack(residual: str, pe: str) -> None:
    one = texts(residual=residual, pe=pe)
    expected = one.model(one.tokens, one.mask, None, one.tree)
    torch.testing.assert_close(one.logits, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(one.logit(one.words + one.added), expected[:, 1], rtol=0, atol=1e-12)
    assert one.kernel_difference() < 1e-12


@pytest.mark.parametrize("rule", ["constant", "halved"])
@pytest.mark.parametrize("attention", ["full", "gated", "linear", "hierarchical"])
def test_the_rules_change_gradients_and_no_value_and_are_taken_back(rule: str, attention: str) -> None:
    one = texts(attention=attention)
    x = (one.words + one.added).requires_grad_()

    def gradient(rule: str) -> torch.Tensor:
        logit = one.logit(x, rule=rule)  # type: ignore[arg-type]
        torch.testing.assert_close(logit, one.logits[:, 1], rtol=0, atol=1e-12)
        (found,) = torch.autograd.grad(logit.sum(), x)
        grad: torch.Tensor = found
        return grad

    before = gradient("plain")
    assert not torch.allclose(gradient(rule), before)
    assert torch.equal(gradient("plain"), before)
    for module in one.model.modules():
        assert not {"forward", "attend", "gate", "weights"} & set(vars(module))


def test_an_attribute_is_put_back_after_an_error() -> None:
    class Thing:
        name = "class"

    thing = Thing()
    with pytest.raises(ZeroDivisionError), replace_attribute(thing, "name", "other"):
        assert thing.name == "other"
        raise ZeroDivisionError
    assert thing.name == "class" and vars(thing) == {}


def test_the_plain_rule_changes_nothing() -> None:
    model = stack()
    with changed_gradients(model, "plain"):
        assert "attend" not in vars(model.stack[0].attention)


@pytest.mark.parametrize("pe", ["learned", "rope", "relative", "cope"])
def test_a_text_of_which_some_tokens_are_there_is_the_text_of_these_tokens_at_their_positions(pe: str) -> None:
    one = texts(slice(0, 1), pe=pe)
    keep = torch.tensor([[True, False, True, True, False, False, True, False, True]])
    at = keep[0].nonzero().flatten()
    expected = one.model(one.tokens[:, at], None, at)[:, 1]
    torch.testing.assert_close(one.logit_of(keep), expected, rtol=0, atol=1e-10)


def test_a_stack_that_answers_at_every_token_is_explained_at_its_last_real_token() -> None:
    torch.manual_seed(0)
    model = stack(causal=True)
    model.every = True
    mask, ids = padding([5, 3], 5), tokens(2, 5)
    one = ExplainedTexts(exact_copy(model), Batch(ids * mask, torch.zeros(2), mask))
    expected = model(ids * mask, mask)
    assert torch.equal(one.classes, torch.stack([expected[0, 4], expected[1, 2]]).argmax(-1))
    assert one.readers.tolist() == [[False] * 4 + [True], [False, False, True, False, False]]


def test_several_answers_at_a_token_are_refused() -> None:
    model = stack()
    model.outputs = 2
    with pytest.raises(ValueError, match="several answers at each token"):
        ExplainedTexts(model, Batch(tokens(1, 3), torch.zeros(1), None))


def test_a_copy_is_exact_and_the_stack_stays_as_it_is() -> None:
    model = stack().float().train()
    found = exact_copy(model)
    assert not found.training and not any(p.requires_grad for p in found.parameters())
    assert all(p.dtype == torch.float64 for p in found.parameters())
    assert model.training and all(p.requires_grad and p.dtype == torch.float32 for p in model.parameters())


def test_a_normalisation_that_is_not_known_is_refused() -> None:
    class Strange(torch.nn.LayerNorm):
        pass

    one = texts()
    one.model.stack[0].join.norm = Strange(16)
    with pytest.raises(ValueError, match="through the normalisation Strange"), changed_gradients(one.model, "constant"):
        pass


@pytest.mark.parametrize("pe", ["learned", "relative"])
def test_chosen_texts_are_explained_as_they_are_and_may_be_chosen_twice(pe: str) -> None:
    one = texts(pe=pe)
    chosen = one.choose_texts(torch.tensor([2, 0, 2]))
    torch.testing.assert_close(chosen.logits, one.logits[[2, 0, 2]])
    keep = one.mask & (torch.arange(9) != 1)
    torch.testing.assert_close(chosen.logit_of(keep[[2, 0, 2]]), one.logit_of(keep)[[2, 0, 2]], rtol=0, atol=1e-12)
    x = one.words + one.added
    torch.testing.assert_close(chosen.logit(x[[2, 0, 2]]), one.logit(x)[[2, 0, 2]], rtol=0, atol=1e-12)


def test_another_stack_is_asked_for_the_class_that_the_first_one_explains() -> None:
    one = texts(width=9)
    fresh = exact_copy(stack(depth=2))
    other = one.with_model(fresh)
    expected = fresh(one.tokens, one.mask, None, one.tree)
    torch.testing.assert_close(other.logits, expected, rtol=0, atol=1e-12)
    assert torch.equal(other.classes, one.classes) and not torch.allclose(other.logits, one.logits)
