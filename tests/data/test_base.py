"""Size, labels and label noise of a data set."""

import re
from collections import Counter
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scipy.stats import chisquare

from stackcli.common import registry
from stackcli.config.grid import parse_grid
from stackcli.config.yaml_files import UsageError
from stackcli.data import _tokens as words
from stackcli.data.base import DataError, Loaded
from stackcli.data.csv import Csv
from stackcli.experiment import plan as plan_module
from stackcli.experiment import study
from stackcli.experiment.identity import run_id
from stackcli.experiment.store import Store
from tests.factory import config, part

REAL = ("subjects", "digits")


@cache
def load(name: str, **keys: Any) -> Loaded:
    return registry.build_part("data", name, **keys).load()  # type: ignore[no-any-return]


def items(loaded: Loaded) -> dict[Any, int]:
    """Label of each training item, by its content: the text, or the pixels."""
    content = loaded.train.texts if loaded.text else loaded.train.tokens
    return dict(zip(content, loaded.train.labels, strict=True))


@pytest.mark.parametrize("name", REAL)
def test_a_smaller_training_part_is_inside_a_larger_one_and_the_other_parts_do_not_change(name: str) -> None:
    whole = load(name)
    before: set[Any] = set()
    for size in (20, 40, 400, len(whole.train)):
        cut = load(name, size=size)
        now = set(items(cut))
        assert len(now) == size and before <= now and items(cut).items() <= items(whole).items()
        assert list(items(cut)) == [item for item in items(whole) if item in now]  # in their order
        assert (cut.val.labels, cut.test.labels) == (whole.val.labels, whole.test.labels)
        assert (cut.val.texts, cut.test.texts) == (whole.val.texts, whole.test.texts)
        before = now


@pytest.mark.parametrize("name", REAL)
def test_every_class_keeps_its_share(name: str) -> None:
    shares = Counter(load(name).train.labels)
    for size in (10, 100, 333):
        found = Counter(load(name, size=size).train.labels)
        assert all(abs(found[c] - size * n / shares.total()) <= 1 for c, n in shares.items()), size


def test_a_rare_class_keeps_its_share(tmp_path: Path) -> None:
    rows = [(f"text number {i}", "rare" if i % 10 == 0 else "common") for i in range(400)]
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"{t},{c}\n" for t, c in rows))
    whole = Counter(Csv(path=str(tmp_path / "a.csv")).load().train.labels)
    for size in (20, 50, 200):
        found = Counter(Csv(path=str(tmp_path / "a.csv"), size=size).load().train.labels)
        assert abs(found[1] - size * whole[1] / whole.total()) <= 1


def test_the_choice_of_training_items_does_not_depend_on_their_order_in_the_file(tmp_path: Path) -> None:
    rows = [f"text number {i},{'cat' if i % 3 else 'dog'}" for i in range(90)]
    for name, lines in (("a.csv", rows), ("b.csv", rows[::-1])):
        (tmp_path / name).write_text("text,label\n" + "\n".join(lines))
    one, two = (Csv(path=str(tmp_path / name), size=30, noise=0.3).load() for name in ("a.csv", "b.csv"))
    assert items(one) == items(two)


def test_the_vocabulary_is_that_of_the_chosen_training_texts() -> None:
    cut = load("subjects", size=30)
    words = {word for text in cut.train.texts for word in re.findall(r"[a-z]+", text.lower()) if len(word) > 3}
    known = {word for entry in cut.vocab[2:] for word in re.findall(r"[a-z]+", entry) if len(word) > 3}
    assert known == words


@pytest.mark.parametrize("name", REAL)
def test_a_size_above_the_items_or_below_the_classes_is_refused(name: str) -> None:
    count, classes = len(load(name).train), len(load(name).classes)
    with pytest.raises(DataError, match=rf"data\.size={count + 1}: the training part has {count};"):
        load(name, size=count + 1)
    with pytest.raises(DataError, match=rf"data\.size={classes - 1}: fewer than the {classes} classes"):
        load(name, size=classes - 1)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("noise", [0.2, 0.5, 1.0])  # which other tests load too
def test_noise_is_the_share_of_wrong_training_and_validation_labels_and_no_test_label_is_wrong(
    name: str, noise: float
) -> None:
    clean, noisy = load(name), load(name, noise=noise)
    assert noisy.test == clean.test and noisy.train.tokens == clean.train.tokens and noisy.vocab == clean.vocab
    for right, said in ((clean.train.labels, noisy.train.labels), (clean.val.labels, noisy.val.labels)):
        wrong = sum(a != b for a, b in zip(right, said, strict=True))
        assert abs(wrong - noise * len(right)) <= 3 * (len(right) * noise * (1 - noise)) ** 0.5


@pytest.mark.parametrize("name", REAL)
def test_a_wrong_label_is_every_other_class_equally_often(name: str) -> None:
    clean, noisy = load(name), load(name, noise=1.0)
    many = len(clean.classes)
    steps = [(b - a) % many for a, b in zip(clean.train.labels, noisy.train.labels, strict=True)]
    counts = Counter(steps)
    assert set(counts) == set(range(1, many)) and chisquare(list(counts.values())).pvalue > 0.01


@pytest.mark.parametrize("name", REAL)
def test_more_noise_only_adds_wrong_labels_and_the_size_changes_none(name: str) -> None:
    clean, some, more = (items(load(name, noise=noise)) for noise in (0.0, 0.2, 0.5))
    assert all(more[item] == label for item, label in some.items() if label != clean[item])
    assert items(load(name, noise=0.2, size=100)).items() <= some.items()


def test_facts_and_baselines_depend_on_size_and_noise(tmp_path: Path) -> None:
    store, keys, found = Store(tmp_path), set(), []
    for options in ({}, {"size": 40}, {"size": 40, "noise": 0.5}):
        source = registry.build_part("data", "subjects", **options)
        key, facts = plan_module.data_facts(part("subjects", **options), source.load, source.fingerprint(), store)
        keys.add(key)
        found.append(facts)
    assert len(keys) == 3 and [facts["sizes"]["train"] for facts in found[1:]] == [40, 40]
    whole, few, wrong = (facts["tfidf_acc"] for facts in found)
    assert whole > few + 0.1 > wrong + 0.15


def test_data_sets_of_several_sizes_have_different_names() -> None:
    sets = [part("subjects", size=40, noise=0.0), part("subjects", size=80, noise=0.0), part("digits", size=0)]
    paths = [part("csv", path=path) for path in ("a/x.csv", "a/y.csv", "b/x.csv")]
    plan = SimpleNamespace(facts=dict.fromkeys([*sets, *paths]), facts_keys={paths[2]: "0123456789"})
    said = ["subjects size=40", "subjects size=80", "digits", "csv x.csv", "csv y.csv", "csv x.csv 012345"]
    assert list(study.data_names(plan).values()) == said


def test_the_identity_of_a_run_does_not_depend_on_path_or_encoding() -> None:
    stored = (("a", "utf-8"), ("b", "cp1252"))
    one, other = (config(data=part("csv", path=path, encoding=name, text="t")) for path, name in stored)
    assert run_id(one, "content") == run_id(other, "content") != run_id(one, "other content")
    assert run_id(one, "content") != run_id(config(data=part("csv", path="a", encoding="utf-8", text="u")), "content")


def test_any_text_can_name_a_column_and_a_number_is_no_choice() -> None:
    (made,) = parse_grid(["data=csv", "data.text=0", "data.label=17", "seeds=1"]).configs
    assert (made.data.options["text"], made.data.options["label"]) == ("0", "17")
    for word in ("data.unit=3", "data.train_len=true", "data.train_len=1.5"):
        with pytest.raises(UsageError):
            parse_grid(["data=text", word, "seeds=1"])


def labelled(path: Path, rows: list[tuple[str, str]]) -> Csv:
    path.write_text("text,label\n" + "".join(f"{t},{c}\n" for t, c in rows), encoding="utf-8")
    return Csv(path=str(path))


TEXTS = [f"a text of number {i}" for i in range(120)]
ALIKE = {
    "case": ("Caf\u00e9", "caf\u00e9", "'caf\u00e9'"),
    "form": ("caf\u00e9", "cafe\u0301", r"'cafe\u0301'"),
    "zero width": ("motion", "mo\u200btion", r"'mo\u200btion'"),
    "mark": ("motion", "\ufeffmotion", r"'\ufeffmotion'"),
    "hyphen": ("motion", "mo\u00adtion", r"'mo\xadtion'"),
    "sharp s": ("Stra\u00dfe", "strasse", "'strasse'"),
}


@pytest.mark.parametrize("name", ALIKE)
def test_labels_that_look_alike_are_refused_and_invisible_characters_are_shown(name: str, tmp_path: Path) -> None:
    one, two, shown = ALIKE[name]
    rows = [(text, (one, two, "other")[i % 3]) for i, text in enumerate(TEXTS)]
    with pytest.raises(DataError, match="differ only in case, spaces, Unicode form or invisible characters") as error:
        labelled(tmp_path / "a.csv", rows).load()
    assert shown in str(error.value) and "other" not in str(error.value)
    own = labelled(tmp_path / "b.csv", [(text, (one, "other")[i % 2]) for i, text in enumerate(TEXTS)])
    labelled(tmp_path / "c.csv", [(f"asked {i}", (two, "other")[i % 2]) for i in range(20)])
    with pytest.raises(DataError, match=r"characters: .*write them in one way"):
        Csv(path=own.path, test_path=str(tmp_path / "c.csv")).load()


def test_numbered_classes_are_sorted_by_value(tmp_path: Path) -> None:
    loaded = labelled(tmp_path / "a.csv", [(text, str(i % 12 + 1)) for i, text in enumerate(TEXTS)]).load()
    assert loaded.classes == tuple(str(i) for i in range(1, 13))
    right = {text: i % 12 for i, text in enumerate(TEXTS)}
    assert items(loaded) == {text: right[text] for text in loaded.train.texts}


def test_classes_may_be_written_in_any_script(tmp_path: Path) -> None:
    loaded = labelled(tmp_path / "a.csv", [(text, ("食物", "飲料")[i % 2]) for i, text in enumerate(TEXTS)]).load()
    assert loaded.classes == ("食物", "飲料") and loaded.notices == ()


def test_a_class_without_training_items_gives_a_notice_and_a_single_trained_class_is_refused(tmp_path: Path) -> None:
    held_out = [text for text in TEXTS if words.choose_part(text) != "train"]
    asked = sum(words.choose_part(text) == "test" for text in held_out)
    rows = [(text, "rare" if text in held_out else "ab"[i % 2]) for i, text in enumerate(TEXTS)]
    notices = labelled(tmp_path / "a.csv", rows).load().notices
    count = f"its {len(held_out) - asked} validation and {asked} test items"
    assert any("class 'rare' has no training item" in n and count in n for n in notices)
    rows = [(text, "rare" if text in held_out else "common") for text in TEXTS]
    with pytest.raises(DataError, match="the training part has only one class, 'common'"):
        labelled(tmp_path / "b.csv", rows).load()


def test_a_test_part_of_unknown_words_gives_a_notice_with_their_share(tmp_path: Path) -> None:
    codes = [str(i).translate(str.maketrans("0123456789", "abcdefghij")) for i in range(120)]
    rows = [(f"x{code} y{code} same", "ab"[i % 2]) for i, code in enumerate(codes)]
    loaded = labelled(tmp_path / "a.csv", rows).load()
    assert any(n.startswith("67 % of the test part's tokens are unknown") for n in loaded.notices)
