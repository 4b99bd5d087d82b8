"""Predictions of a trained run: they agree with its report, and impossible questions are refused."""

import io
import json
import sys
from pathlib import Path

import pytest

from stackcli.cli.main import texts_last
from stackcli.common import registry
from stackcli.config import grid
from stackcli.experiment import plan, trained_run, worker
from stackcli.experiment.predict import describe_answers, predict
from stackcli.experiment.store import Store
from tests.experiment.examples import call_tool
from tests.helpers import SMALL, words

LONG = "word " * 40


def trained(out: Path, *given: str) -> str:
    """The id of a run, trained in this process."""
    store = Store(out)
    store.create()
    planned = plan.plan(grid.parse_grid(given, single=True).configs, store)
    for job in planned.todo:
        worker.train_one(job, store, lambda _: None, lambda: False)
    return planned.ids[0]


def csv_file(path: Path) -> Path:
    """Texts of different lengths with links and signs; every third label is wrong, so that accuracy is not 1."""
    rows = []
    for i in range(150):
        kind = ("cat", "dög", "newt")[i % 3]
        label = ("cat", "dög", "newt")[(i + (i % 7 == 0)) % 3]
        rows.append(f'"see http://x.io/{i} , the {kind} no. {i} {"runs " * (i % 9)}!",{label}')
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("asked")


@pytest.fixture(scope="module")
def classifier(folder: Path) -> tuple[Path, str, list[str]]:
    """(store, run, its settings) of a classifier that strips links and signs and cuts at 10 tokens."""
    stripped = ("data.strip_links=true", "data.strip_punctuation=true", "data.max_len=10", "data.min_count=2")
    given = [*words(csv_file(folder / "d.csv"), "steps=150", "lr=0.01", *stripped), "pe=rope", "dropout=0.1"]
    return folder / "csv", trained(folder / "csv", *given), given


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("pad=max", "mask=none"),
        ("pe=learned", "pe.randomised=true"),
        pytest.param(("mask=none",), marks=pytest.mark.slow),  # padded as in training, as with pad=max
    ],
)
def test_the_test_texts_get_the_accuracy_that_the_run_reports(
    more: tuple[str, ...], classifier: tuple[Path, str, list[str]]
) -> None:
    out, run, given = classifier
    if more:
        mine = {w.partition("=")[0] for w in more}
        run = trained(out, *(w for w in given if w.partition("=")[0] not in mine), *more)
    config = Store(out).config(run)
    loaded = registry.build_part("data", "csv", **config.data.options).load()
    said = predict(out, run, loaded.test.texts)
    right = [next(iter(a.shares)) == loaded.classes[c] for a, c in zip(said, loaded.test.labels, strict=True)]
    assert 0.1 < sum(right) / len(right) < 1 and len(right) > 10
    assert sum(right) / len(right) == pytest.approx(Store(out).result(run)["test_acc"], abs=1e-12)


def test_a_text_gets_the_same_answer_alone_and_among_others(classifier: tuple[Path, str, list[str]]) -> None:
    out, run, _ = classifier
    texts = ["the cat", "the newt no. 3 " + "runs " * 5, "dog", ""]
    together = predict(out, run, texts)
    for text, answer in zip(texts, together, strict=True):
        alone = predict(out, run, [text])[0]
        assert alone.shares == pytest.approx(answer.shares, abs=1e-6)


def test_cut_texts_and_unknown_words_are_counted(classifier: tuple[Path, str, list[str]]) -> None:
    out, run, _ = classifier
    said = predict(out, run, ["the cat http://y.io/1 !", LONG, "!", ""])
    counted = [(a.tokens, a.unknown, a.cut) for a in said]
    # links and signs are stripped as in training; "word" was never seen; a text of signs alone is one unknown word
    assert counted == [(2, 0, 0), (10, 10, 30), (1, 1, 0), (0, 0, 0)]
    assert said[3].shares == {} and sum(said[0].shares.values()) == pytest.approx(1)
    first, second = describe_answers(said)
    assert first.startswith("1 of 4 texts") and "10 tokens" in first and second.startswith("11 of 13 tokens")


def test_each_line_of_stdin_has_one_line_of_answer_in_any_encoding(classifier: tuple[Path, str, list[str]]) -> None:
    import subprocess

    from tests.helpers import environment

    out, run, _ = classifier
    for more in ([], ["--json"]):
        line = [sys.executable, "-m", "stackcli", "predict", run, "-", "--out", str(out), *more]
        given = "\ufeffthe dög\r\n\nx\u2028y \x0c z\n  \n-5 of them".encode()
        done = subprocess.run(line, input=given, env=environment(PYTHONIOENCODING="ascii"), capture_output=True)
        lines = done.stdout.decode("ascii").split("\n")
        assert done.returncode == 0 and len(lines) == 6 and lines[-1] == "", done.stderr
        assert b"tokens unknown to the run" in done.stderr
        if more:
            rows = [json.loads(row) for row in lines[:-1]]
            assert [r["text"] for r in rows] == ["the dög", "", "x\u2028y \x0c z", "  ", "-5 of them"]
            assert [r["answer"] is None for r in rows] == [False, True, False, True, False]
            assert set(rows[0]["probability"]) == {"cat", "dög", "newt"} and rows[1]["probability"] == {}
        else:
            assert [row == "" for row in lines[:-1]] == [False, True, False, True, False] and "d\\xf6g" in lines[0]


def test_a_line_that_is_not_utf8_is_named(
    classifier: tuple[Path, str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, run, _ = classifier
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"good\nb\xe9d\n")))
    with pytest.raises(ValueError, match=r"stdin: line 2 is not UTF-8"):
        predict(out, run, ["-"])


def test_a_text_may_begin_with_a_hyphen(classifier: tuple[Path, str, list[str]], tmp_path: Path) -> None:
    out, run, _ = classifier
    for texts in (["-5 the cat has"], ["--", "--json"], ["-h is Planck's"], ["-x"], ["-- a dash", "second"]):
        place = ("--out", str(out))
        line = ["predict", run, *place, *texts] if "--" in texts else ["predict", run, *texts, *place]
        done = call_tool(line, tmp_path)
        asked = [t for t in texts if t != "--"]
        assert done.code == 0 and len(done.out.splitlines()) == len(asked), done.err
    assert call_tool(["predict", run, "--jsn", "x", "--out", str(out)], tmp_path).code == 2


def test_options_of_predict_are_found_wherever_they_stand() -> None:
    assert texts_last(["predict", "3f", "-5", "--out", "x", "--json"]) == [
        *("predict", "--out", "x", "--json", "--", "3f", "-5")
    ]
    assert texts_last(["predict", "3f", "--", "--json", "--"]) == ["predict", "--", "3f", "--json", "--"]
    assert texts_last(["predict", "-h"]) == ["predict", "-h"]


# ---- other data


def test_a_language_model_names_the_likeliest_next_tokens(folder: Path) -> None:
    (folder / "t.txt").write_text("ab c\n" * 200, encoding="utf-8")
    small = [w for w in SMALL if not w.startswith("steps")]
    given = ["data=text", f"data.path='{(folder / 't.txt').as_posix()}'", "data.train_len=10", "causal=true"]
    run = trained(folder / "text", *given, *small, "steps=150", "lr=0.03")
    said = predict(folder / "text", run, ["ab c\na", "ab c\nab", "ab c", "c\n" + "ab c\n" * 9, ""])
    assert [next(iter(a.shares), None) for a in said] == ["b", " ", "\n", "a", None]
    assert [(a.tokens, a.cut) for a in said[2:]] == [(4, 0), (10, 37), (0, 0)]
    done = call_tool(["predict", run, "ab", "ab c", "--out", str(folder / "text")], folder)
    assert [line.split()[0] for line in done.out.splitlines()] == ["'", "'\\n'"]  # a space and a line end are seen


def conllu(sentences: list[tuple[str, str]], labels: bool) -> str:
    """Every word hangs below the one before it."""
    out = []
    for text, label in sentences:
        out += [f"# label = {label}"] if labels else []
        out += [f"{i}\t{w}\t_\t_\t_\t_\t{i - 1}\t_\t_\t_" for i, w in enumerate(text.split(), 1)] + [""]
    return "\n".join(out) + "\n"


def test_a_run_on_parsed_sentences_reads_conllu_with_its_trees(folder: Path) -> None:
    rows = [(f"the {('cat', 'dog')[i % 2]} number {i} runs", ("a", "b")[i % 2]) for i in range(90)]
    (folder / "s.conllu").write_text(conllu(rows, labels=True), encoding="utf-8")
    given = ["data=conllu", f"data.path='{(folder / 's.conllu').as_posix()}'", "pe=structural", *SMALL]
    run = trained(folder / "conllu", *given)
    loaded = registry.build_part("data", "conllu", path=str(folder / "s.conllu")).load()
    test = [(text, loaded.classes[c]) for text, c in zip(loaded.test.texts, loaded.test.labels, strict=True)]
    asked = folder / "asked.conllu"
    asked.write_text(conllu(test, labels=False), encoding="utf-8")
    said = predict(folder / "conllu", run, [str(asked)])
    assert [a.text for a in said] == [text for text, _ in test]
    right = sum(next(iter(a.shares)) == label for a, (_, label) in zip(said, test, strict=True))
    assert right / len(test) == pytest.approx(Store(folder / "conllu").result(run)["test_acc"], abs=1e-12)
    flat = asked.with_name("flat.conllu")  # the same words, each below the first: another tree, another answer
    flat.write_text(conllu(test, labels=False).replace("\t3\t_", "\t1\t_").replace("\t2\t_", "\t1\t_"))
    assert [a.shares for a in predict(folder / "conllu", run, [str(flat)])] != [a.shares for a in said]
    for wrong, answer in ((["why does ice float"], "CoNLL-U"), ([str(csv_file(folder / "no.conllu"))], "line 1")):
        with pytest.raises(ValueError, match=answer):
            predict(folder / "conllu", run, wrong)


@pytest.mark.parametrize("given", [("data=copy", "causal=true", "data.train_len=3"), ("data=digits",)])
def test_a_run_without_texts_says_which_runs_answer_questions(given: tuple[str, ...], folder: Path) -> None:
    run = trained(folder / "other", *given, *SMALL)
    with pytest.raises(ValueError, match=rf"{given[0]}, which is not text.*data=subjects, csv, conllu and text"):
        predict(folder / "other", run, ["why does ice float"])


def test_a_run_with_cleaned_texts_reads_a_question_as_it_read_its_data(tmp_path: Path) -> None:
    given = [*words(csv_file(tmp_path / "d.csv")), "data.clean=all"]
    run = trained(tmp_path / "out", *given)
    plain, typed = predict(tmp_path / "out", run, ["the newt runs", "th\u0435 newt ruuns"])
    assert plain.shares == typed.shares and typed.unknown == 0 and typed.text == "th\u0435 newt ruuns"
    opened = trained_run.open_run(tmp_path / "out", run)
    (item,) = trained_run.items_of_texts(opened, ["th\u0435 newt ruuns xyzzy"])
    assert item.tokens == ("the", "newt", "runs", "xyzzy") and item.ids[3] == 1
