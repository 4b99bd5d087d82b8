"""Settings typed -> a grid of frozen Configs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackcli.common import registry
from stackcli.config.grid import parse_grid
from stackcli.config.yaml_files import UsageError


def test_the_default_sweep_is_five_depths_of_three_seeds_innermost() -> None:
    found = parse_grid(["depth=1,2,4,8,16"])
    assert [(c.depth, c.seed) for c in found.configs[:4]] == [(1, 0), (1, 1), (1, 2), (2, 0)]
    assert len(found.configs) == 15 and dict(found.axes) == {"depth": (1, 2, 4, 8, 16)}
    assert found.base["dim"] == 64 and "depth" not in found.base and "seed" not in found.base


def test_a_range_of_decimals_has_no_rounding_dust() -> None:
    assert parse_grid(["lr=range(0.1,0.5,0.1)"]).axes["lr"] == (0.1, 0.2, 0.3, 0.4)


def test_a_glob_names_parts_and_an_empty_one_is_an_error() -> None:
    assert parse_grid(["pe=glob(*)"]).axes["pe"] == registry.part_names("pe")
    with pytest.raises(UsageError, match="matches nothing"):
        parse_grid(["pe=glob(zzz*)"])


def test_a_key_of_one_part_leaves_the_others_alone() -> None:
    found = parse_grid(["pe=learned,relative", "pe.clip=4,8", "seeds=1"])
    assert [(c.pe.name, c.pe.options.get("clip")) for c in found.configs] == [
        ("learned", None),
        ("relative", 4),
        ("relative", 8),
    ]


def test_seeds_count_from_seed_and_a_list_of_seeds_is_taken_as_it_is() -> None:
    assert parse_grid(["seed=5", "seeds=2"]).seeds == (5, 6)
    assert parse_grid(["seed=7,3"]).seeds == (7, 3)
    assert parse_grid(["seed=4"], single=True).seeds == (4,)
    with pytest.raises(UsageError, match="not both"):
        parse_grid(["seed=0,1", "seeds=3"])


def test_a_preset_gives_way_to_what_was_typed() -> None:
    found = parse_grid(["depth=3"], presets=("depth=1,2", "residual=pre,post"))
    assert dict(found.axes) == {"residual": ("pre", "post")} and {c.depth for c in found.configs} == {3}
    typed = parse_grid(["dim=16,32", "depth=3,4"], presets=("depth=1,2", "residual=pre,post"))
    assert list(typed.axes) == ["depth", "residual", "dim"]  # the command's axes first, whatever was typed


def test_types_are_kept_and_a_whole_number_fits_where_a_decimal_is_meant() -> None:
    c = parse_grid(["lr=1", "causal=true", "pe=relative", "pe.keys=false", "seeds=1"]).configs[0]
    assert (c.lr, type(c.lr), c.causal, c.pe.options["keys"]) == (1.0, float, True, False)


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(UsageError) as error:
        parse_grid(["depth=0", "lr=-1", "keep=all"])
    assert len(error.value.problems) == 3


def test_a_grid_too_large_is_counted_not_listed() -> None:
    with pytest.raises(UsageError, match="9,999,000 runs; at most 100,000"):
        parse_grid(["depth=range(1,10000)", "dim=range(4,4004,4)", "seeds=1"])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=4, unique=True),
    st.lists(st.sampled_from([0.1, 0.01, 0.5, 1e-3]), min_size=1, max_size=3, unique=True),
    st.integers(1, 4),
)
def test_the_grid_is_the_product_in_order(depths: list[int], rates: list[float], seeds: int) -> None:
    words = [f"depth={','.join(map(str, depths))}", f"lr={','.join(map(repr, rates))}", f"seeds={seeds}"]
    found = [(c.depth, c.lr, c.seed) for c in parse_grid(words).configs]
    assert found == [(d, r, s) for d in depths for r in rates for s in range(seeds)]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("data=mine.csv", "did you mean data=csv data.path=mine.csv?"),
        ("data=a.TSV.gz", "did you mean data=csv data.path=a.TSV.gz?"),
        ("data=book.txt", "did you mean data=text data.path=book.txt?"),
        ("data=t.conllu", "did you mean data=conllu data.path=t.conllu?"),
        ("data=subject", "did you mean subjects?"),
        (
            "data.path=mine.csv",
            "data=csv and data=text, not to data=subjects; write data=csv data.path=mine.csv",
        ),
        (
            "pe.clip=4",
            "pe.clip belongs to pe=relative and pe=structural, not to pe=learned; write pe=relative",
        ),
        ("layers=4", "did you mean depth?"),
        ("adv=fgm", "did you mean adversarial?"),
        ("adversarial=fgmm", "did you mean fgm?"),
        ("adversarial=fgsm", "did you mean fgm?"),
        ("adversarial.eps=3", "not to adversarial=none; write adversarial=fgm adversarial.eps=3"),
        ("distill.temperature=5", "write distill=defensive distill.temperature=5"),
        ("word_dropout=1", "word_dropout=1: must be below 1"),
        ("pe=rotary", "did you mean rope?"),
    ],
)
def test_what_a_newcomer_types_is_answered_with_what_to_type(word: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_grid([word])
    assert said in str(error.value)


@pytest.mark.parametrize("words", [("steps=100", "epochs=4,8"), ("epochs=4,8", "steps=100,0"), ("epochs=8", "steps=5")])
def test_steps_beside_epochs_are_refused_and_both_are_named(words: tuple[str, ...]) -> None:
    steps, epochs = sorted(words, reverse=True)
    with pytest.raises(UsageError) as error:
        parse_grid(words)
    assert list(error.value.problems) == [
        f"{steps} and {epochs}: each sets how long a run trains; write only one, {steps} or {epochs}"
    ]


def test_steps_of_0_and_a_preset_go_with_the_other() -> None:
    assert {c.epochs for c in parse_grid(["steps=0", "epochs=4,16"]).configs} == {4, 16}
    preset = parse_grid(["steps=100"], presets=["epochs=16"]).configs[0]
    assert preset == parse_grid(["steps=100"]).configs[0] and (preset.steps, preset.epochs) == (100, 8)
    assert parse_grid([], presets=["epochs=16"]).configs[0].epochs == 16


def test_plain_training_is_swept_once_beside_adversarial_training_of_several_sizes() -> None:
    found = parse_grid(["adversarial=none,fgm", "adversarial.eps=1,3", "seeds=1"]).configs
    assert [(c.adversarial.name, c.adversarial.options.get("eps")) for c in found] == [
        ("none", None),
        ("fgm", 1.0),
        ("fgm", 3.0),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["adversarial=fgm", "adversarial.eps=0"], "adversarial.eps=0: must be above 0"),
        (["adversarial=pgd", "adversarial.steps=0"], "adversarial.steps=0: must be at least 1"),
        (["adversarial=freelb", "adversarial.norm=l1"], "choose from l2, linf"),
        (["distill=defensive", "distill.temperature=0"], "distill.temperature=0: must be at least 1"),
        (["data.clean=al"], "data.clean=al: choose from none, unicode, spelling, all"),
    ],
)
def test_a_defence_out_of_its_range_is_answered_with_the_range(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_grid(words)
    assert said in str(error.value)
