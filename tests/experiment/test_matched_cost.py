"""Fair depth: the chosen sizes, checked on stacks that are built, and by loops over every other size."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from stackcli.analysis import tables
from stackcli.analysis.summary_text import summary_sentences
from stackcli.common import registry
from stackcli.config.defaults import part_defaults
from stackcli.config.settings import Config
from stackcli.config.yaml_files import UsageError
from stackcli.experiment import matched_cost
from stackcli.experiment.identity import ConflictError
from stackcli.experiment.matched_cost import Asked
from stackcli.experiment.store import Store
from stackcli.model import build as build_module
from stackcli.model import cost
from stackcli.model.build import build
from stackcli.model.stack import StackedAttention
from tests.analysis.examples import depth_study
from tests.factory import config, part, tokens
from tests.helpers import stackattn, words, write_data

DEPTHS = (1, 2, 4, 8, 16, 32)
RESIDUALS = tuple(n for n in registry.part_names("residual") if registry.built_in("residual", n))
NORMS = tuple(n for n in registry.part_names("norm") if registry.built_in("norm", n))
PES = tuple(n for n in registry.part_names("pe") if registry.built_in("pe", n))
SOME_PES, FFS = ("learned", "relative", "rope"), (0.0, 1.0, 4.0)
CASES: list[Any] = [("pre", pe, ff, DEPTHS) for pe, ff in zip(SOME_PES, FFS, strict=True)]  # each encoding and each ff
CASES += [
    pytest.param("pre", pe, ff, DEPTHS, marks=pytest.mark.slow)
    for pe in SOME_PES
    for ff in FFS
    if ("pre", pe, ff, DEPTHS) not in CASES
]
CASES += [("pre", "sinusoidal", ff, DEPTHS) for ff in (1.0, 4.0)]  # refuses an odd dim
CASES += [(r, SOME_PES[i % 3], FFS[i // 3 % 3], (1, 4, 32)) for i, r in enumerate(RESIDUALS) if r != "pre"]
ASKED = Asked(out=4, every=False, length=20, max_len=32)


def of(residual: str, **more: Any) -> Config:
    """A config of a residual scheme, with the parts that it needs."""
    return config(residual=residual, **{**registry.needed_parts("residual", residual), **more})


def built(c: Config, asked: Asked = ASKED) -> StackedAttention:
    """A stack whose sizes are counted; no initial weights are drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_module, "draw", lambda *_, **__: None)
        return build(c, vocab=7, classes=asked.out, max_len=asked.max_len, every=asked.every)


def core_of(model: StackedAttention) -> int:
    """Parameters by their names: all but the tables of tokens and positions."""
    tables = {n for n, _ in model.named_parameters() if n.startswith(("embedding.", "pe.")) or ".own." in n}
    return sum(p.numel() for n, p in model.named_parameters() if n not in tables)


def chosen(c: Config, by: str, depths: Sequence[int] = DEPTHS) -> list[Config]:
    """The sizes for each depth that can be brought near the cost of depth 4."""
    like = replace(c, depth=4)
    found = [matched_cost.match_point(replace(c, depth=d), like, by, ASKED) for d in depths]
    return [one.made for one in found if abs(one.off) <= matched_cost.NEAR]


@pytest.mark.parametrize("residual,pe,ff,depths", CASES)
def test_every_depth_has_the_parameters_of_the_middle_one(
    residual: str, pe: str, ff: float, depths: tuple[int, ...]
) -> None:
    c = of(residual, pe=pe, ff=ff, dim=64, heads=1)
    target = core_of(built(replace(c, depth=4)))
    made = chosen(c, "params", depths)
    assert len(made) >= len(depths) - (0 if ff else 2)  # without ff some depths are out of reach
    for one in made:
        assert abs(core_of(built(one)) / target - 1) <= 0.03, one
        assert one.dim % one.heads == 0 and ff / 1.51 <= one.ff <= ff * 1.51
    assert next(one for one in made if one.depth == 4) == replace(c, depth=4)


@pytest.mark.parametrize("pe", ["learned", "xl", pytest.param("cope", marks=pytest.mark.slow)])
@pytest.mark.parametrize("ff", [1.0, pytest.param(4.0, marks=pytest.mark.slow)])
def test_every_depth_has_the_flops_of_the_middle_one(pe: str, ff: float) -> None:
    c = config(pe=pe, ff=ff, dim=64, heads=2, kernel="explicit")
    target, made = counted(built(replace(c, depth=4)), 20), chosen(c, "flops", DEPTHS[:5])
    assert [one.depth for one in made] == list(DEPTHS[:5]) and len({one.dim for one in made}) == 5
    for one in made:
        assert abs(counted(built(one), 20) / target - 1) <= 0.03, one


@pytest.mark.parametrize("residual", RESIDUALS)
@pytest.mark.parametrize("share", [False, True])
def test_the_closed_form_counts_what_a_stack_has(residual: str, share: bool) -> None:
    for norm in NORMS:
        for ff in FFS:
            c = of(residual, ff=ff, dim=12, heads=2, depth=3, share_layers=share)
            c = replace(c, norm=config(norm=norm).norm) if not registry.needed_parts("residual", residual) else c
            assert matched_cost.params(c, ASKED) == core_of(built(c)), c


@pytest.mark.parametrize("kind", registry.part_names("attention"))
def test_the_parameters_of_every_kind_of_attention_are_counted(kind: str) -> None:
    c = config(attention=kind, pe="none", dim=12, heads=2, depth=3)
    assert matched_cost.params(c, ASKED) == core_of(built(c))


def counted(model: StackedAttention, length: int) -> int:
    """FLOPs by PyTorch's own counter, in a forward pass of one sequence, which is a chain where a tree is asked for."""
    chain = torch.arange(length).sub(1).clamp(min=0).expand(1, length)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(tokens(1, length) % 7, tree=chain)
    return int(counter.get_total_flops())


KEYS: list[tuple[str, dict[str, Any]]] = [(pe, {}) for pe in PES] + [("structural", {"form": "absolute"})]
KEYS += [(pe, {"layers": kind}) for pe in PES for kind in ("own", "shared") if "layers" in part_defaults("pe", pe)]


@pytest.mark.parametrize("pe,keys", KEYS)
@pytest.mark.parametrize("every", [False, True])
def test_the_closed_form_of_flops_is_pytorchs_count(pe: str, keys: dict[str, Any], every: bool) -> None:
    asked = ASKED._replace(every=every, length=17)
    for depth, ff in ((1, 0.0), (3, 1.5)):
        c = config(pe=part(pe, **{**part_defaults("pe", pe), **keys}), ff=ff, dim=16, heads=2, depth=depth)
        c = replace(c, kernel="explicit")
        model = built(c, asked)
        assert matched_cost.flops(c, asked) == cost.flops(c, model, 17) == counted(model, 17)


def by_hand(depth: int, dim: int, hidden: int) -> int:
    """Parameters of a pre-LN stack with LayerNorm and four classes."""
    feed = 2 * dim * hidden + hidden + dim + 2 * dim if hidden else 0
    return depth * (4 * dim * dim + 4 * dim + 2 * dim + feed) + 2 * dim + 4 * dim + 4


@pytest.mark.parametrize(
    "dim,heads,ff",
    [
        *((30, 3, 2.5), (64, 4, 0.0), (24, 6, 4.0), (12, 3, 0.5)),
        *(pytest.param(64, heads, ff, marks=pytest.mark.slow) for heads, ff in ((4, 4.0), (8, 1.0))),  # larger
    ],
)
def test_no_other_sizes_do_better(dim: int, heads: int, ff: float) -> None:
    target = by_hand(4, dim, round(ff * dim))
    c = config(pe="none", dim=dim, heads=heads, ff=ff)
    for depth in (1, 2, 3, 8, 16):
        one = matched_cost.match_point(replace(c, depth=depth), replace(c, depth=4), "params", ASKED)
        off = {
            (d, h): abs(by_hand(depth, d, h) / target - 1)
            for d in range(heads, 4 * dim, heads)
            for h in range(math.ceil(ff / 1.5 * d - 0.5), int(ff * 1.5 * d + 0.5) + 1)
        }
        typed = [off[d, round(ff * d)] for d in range(heads, 4 * dim, heads)]
        assert math.isclose(one.cost, by_hand(depth, one.made.dim, round(one.made.ff * one.made.dim)))
        if min(typed) <= 0.03:
            assert one.made.ff == ff and math.isclose(abs(one.off), min(typed))
        elif min(off.values()) <= 0.03:
            nearest = min(abs(math.log(h / d / ff)) for (d, h), e in off.items() if e <= 0.03)
            assert abs(one.off) <= 0.03 and abs(math.log(one.made.ff / ff)) <= nearest + 0.16
        else:
            assert math.isclose(abs(one.off), min(off.values()))


def test_shared_layers_have_the_same_parameters_at_every_depth() -> None:
    c = config(share_layers=True, dim=32)
    assert [(one.dim, one.ff) for one in chosen(c, "params")] == [(32, 4.0)] * 6
    assert len({one.dim for one in chosen(c, "flops", DEPTHS[:5])}) == 5


def test_dim_stays_the_width_of_given_word_vectors() -> None:
    c, asked = config(dim=32, heads=4), ASKED._replace(fixed=True)
    near = matched_cost.match_point(replace(c, depth=5), replace(c, depth=4), "params", asked)
    assert near.made.dim == 32 and near.made.ff < 4 and abs(near.off) <= 0.03
    assert abs(matched_cost.match_point(replace(c, depth=16), replace(c, depth=4), "params", asked).off) > 0.03


# ---- the words


SMALL = ("dim=32", "heads=4", "epochs=1")


def test_the_middle_depth_keeps_what_was_typed_and_every_seed_has_the_same_sizes() -> None:
    found = matched_cost.matched_arms(("depth=8,1,2", "match=params", "residual=pre,post", *SMALL), None)
    sizes = {(c.residual.name, c.depth, c.dim, c.ff) for c in found.configs}
    assert len(found.configs) == 18 and len(sizes) == 6
    assert {s for s in sizes if s[1] == 2} == {("pre", 2, 32, 4.0), ("post", 2, 32, 4.0)}
    assert [c.seed for c in found.configs[:3]] == [0, 1, 2]
    assert found.axes == ("depth", "residual") and not {"dim", "ff"} & set(found.base)
    assert "match=params" in found.overrides and found.typed[1] == "match=params"
    last = matched_cost.matched_arms(("depth=8,1,2", "match=params", "match_depth=8", *SMALL), None)
    assert {c.dim for c in last.configs if c.depth == 8} == {32} and found.overrides != last.overrides
    four = matched_cost.matched_arms(("depth=1,2,4,8", "match=params", *SMALL), None)
    assert four.match == {"by": "params", "depth": 2}


def test_match_none_is_the_grid_as_typed() -> None:
    plain, none = (matched_cost.matched_arms(("depth=1,2", *more), None) for more in ((), ("match=none",)))
    assert none == replace(plain, typed=("depth=1,2", "match=none"))


def test_each_data_set_is_matched_separately() -> None:
    line = ("data=copy,parity", "data.size=40", "causal=true", "depth=1,4", "match=flops", *SMALL)
    found = matched_cost.matched_arms(line, None)
    lengths = {c.data.name: registry.build_part("data", c.data.name, **c.data.options).load() for c in found.configs}
    for name, loaded in lengths.items():
        length = sorted(map(len, loaded.train.tokens))[20]
        both = {c.depth: c for c in found.configs if c.data.name == name and c.seed == 0}
        one, four = (cost.flops(c, build(c, **loaded.sizes), length) for c in (both[1], both[4]))
        assert abs(four / one - 1) < 0.035 and both[1].dim == 32


BAD = {
    "match=foo": "match=foo: unknown. Choose from none, params, flops",
    "match=parms": "did you mean params?",
    "match=null": "match=None: unknown",
    "match=params match=flops": "match is given twice",
    "match=params,flops": "match=params,flops: takes one value",
    "match=params dim=32,64": "match=params chooses dim for every depth: give dim one value",
    "match=flops ff=1,2": "match=flops chooses ff for every depth",
    "match=params depth=4": "match=params needs several depths: depth=1,2,4",
    "match=params match_depth=3": "match_depth=3: choose from the depths, 1, 2, 4",
    "match_depth=2": "match_depth needs match=params or match=flops",
    "match=params dim=8 heads=8 ff=0": "comes no nearer than dim=",
    "match=params lr=-1": "lr=-1",
    "match=foo lr=-1": "lr=-1",
    "match=params data=csv data.path=missing.csv": "no such file",
    "match=params pe=alibi heads=1": "even number of heads",
}


@pytest.mark.parametrize("typed", BAD)
def test_words_that_cannot_be_matched_are_refused(typed: str) -> None:
    given = typed.split(" ")
    keys = {word.partition("=")[0] for word in given}
    line = [word for word in ("depth=1,2,4", *SMALL) if word.partition("=")[0] not in keys]
    with pytest.raises(ValueError, match=r".") as error:
        matched_cost.matched_arms((*line, *given), None)
    assert BAD[typed].replace(". Choose", "; choose") in str(error.value).replace(". Choose", "; choose")
    assert "foo" not in typed or "match=foo" in str(error.value)


def test_a_depth_that_cannot_be_matched_is_named_with_its_nearest_sizes() -> None:
    with pytest.raises(UsageError) as error:
        matched_cost.matched_arms(("depth=2,4,8", "match=params", "dim=8", "heads=8", "ff=0"), None)
    (first, second) = error.value.problems
    assert "depth=2 comes no nearer than dim=8 ff=0" in first and "(-4" in first and "depth=4 dim=8 ff=0" in first
    assert "depth=8 comes no nearer than dim=8 ff=0" in second and "(+9" in second


# ---- the table and its sentences


def test_the_table_shows_what_was_chosen_and_the_sentence_how_near_it_comes() -> None:
    study = depth_study()
    near = study.runs["depth"].map({1: 0.98, 2: 1.01, 4: 1.0, 8: 1.0, 16: 1.004})
    study.runs["flops"], study.runs["params_embedding"] = 5e6 * near, study.runs["params"] - 2e5 * near
    study.runs["dim"], study.runs["ff"] = 256 // study.runs["depth"], 4.0
    by = {name: replace(study, match={"by": name, "depth": 4}, chosen=("dim", "ff")) for name in ("params", "flops")}
    assert tables.summarise_points(by["params"]).attrs["columns"][:4] == ["dim", "ff", "params_core", "test_acc"]
    found = tables.summarise_points(by["flops"])
    assert found.attrs["columns"][:4] == ["dim", "ff", "flops", "test_acc"] and found["dim"][0] == "256"
    assert tables.summarise_points(study, cols=["params_core"])["params_core"][0] == pytest.approx(196e3)
    said = {name: " ".join(summary_sentences(one)) for name, one in by.items()}
    assert "have the 200,000 non-embedding parameters of depth 4, within 2.0 %." in said["params"]
    assert "have the 5,000,000 FLOPs of a forward pass of depth 4, within 2.0 %." in said["flops"]
    assert "were chosen for each depth" not in " ".join(summary_sentences(study))


# ---- the command


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "d.csv")


def line(data: Path, *more: str) -> list[str]:
    return words(data, "depth=1,3", "dim=16", "ff=2", "seeds=1", *more)


@pytest.mark.slow
def test_a_matched_study_is_announced_reported_and_found_again(data: Path, tmp_path: Path) -> None:
    dry = stackattn("ablate-depth", *line(data, "match=params"), "--dry-run", cwd=tmp_path)
    assert dry.returncode == 0 and not list(tmp_path.iterdir())
    sizes = [text for text in dry.stderr.splitlines() if text.startswith("  depth=")]
    assert len(sizes) == 4 and "depth=1 residual=post: dim=16 ff=2: 2,258 (+0.0 %)" in dry.stderr
    done = stackattn("ablate-depth", *line(data, "match=params"), cwd=tmp_path)
    assert done.returncode == 0 and all(text in done.stderr for text in sizes), done.stderr
    table = done.stdout[: done.stdout.index("majority")]
    assert all(head in table.split() for head in ("dim", "ff", "core")) and "2.26k" in table
    lines = [text for text in done.stdout.splitlines() if "stackattn " not in text]  # a command is never cut in two
    assert max(map(len, lines)) <= 80
    said = " ".join(done.stdout.split())
    assert "all have the 2,258 to 2,290 non-embedding parameters of depth 1, within" in said
    again = stackattn("ablate-depth", *line(data, "match=params"), cwd=tmp_path)
    assert "4 finished before, 0 to train" in again.stderr and again.returncode == 0
    other = stackattn("ablate-depth", *line(data, "match=params", "match_depth=3"), cwd=tmp_path)
    assert other.returncode == 0, other.stderr  # another study, not a conflict
    assert len(list(tmp_path.glob("outputs/studies/*/study.json"))) == 2


def test_a_named_study_refuses_runs_that_are_matched_otherwise(data: Path, tmp_path: Path) -> None:
    one, other = (matched_cost.matched_arms(tuple(line(data, f"match={by}")), None).base for by in ("params", "flops"))
    study = {"axes": ["depth"], "runs": [], "facts": {}}
    store = Store(tmp_path)
    store.save_study("mine", {**study, "base": one}, grow=True)
    with pytest.raises(ConflictError, match="match='params of depth=1 dim=16 ff=2' there, 'flops of depth=1"):
        store.save_study("mine", {**study, "base": other}, grow=True)


@pytest.mark.slow
def test_each_depth_gets_its_learning_rate_and_the_sensitivity_is_drawn(data: Path, tmp_path: Path) -> None:
    tune = ("--tune", "lr=0.001,0.01", "--figures", "svg")
    done = stackattn("ablate-depth", *line(data, "match=flops", "residual=post"), *tune, cwd=tmp_path, figures=True)
    assert done.returncode == 0, done.stderr
    assert "8 runs (depth = 1, 3; lr = 0.001, 0.01; seeds 1000000, 1000001)" in done.stderr
    tuned = [text for text in done.stderr.splitlines() if text.startswith("tuned on 2 seeds")]
    (figure,) = tmp_path.glob("outputs/studies/*-tune/sensitivity.svg")
    assert figure.stat().st_size > 5_000
    head = done.stdout[: done.stdout.index("majority")]
    assert all(word in head.split() for word in ("dim", "ff", "lr", "flops"))
    rows = [text.split() for text in head.splitlines() if text.split()[:1] in (["1"], ["3"])]
    shown = {f"depth={row[0]} lr={row[3]}" for row in rows}
    assert shown == {text.partition("own: ")[2].partition(" (")[0] for text in tuned} and len(shown) == 2
