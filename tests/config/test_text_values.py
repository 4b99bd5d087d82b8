"""Paths and columns are read as any shell passes them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackcli.config.grid import parse_grid
from stackcli.config.overrides import parse_domain, parse_override
from stackcli.config.text_values import split_texts, text_keys, write_override
from stackcli.config.yaml_files import UsageError

NAMES = [
    "données.csv",
    "train (1).csv",
    "a,b.csv",
    "with  two spaces .csv",
    "a=b.csv",
    "it's.csv",
    'say "yes".csv',
    "$HOME.csv",
    "a${b}.csv",
    "my_target_.csv",
    "#1.csv",
    "~tilde.csv",
    "back\\slash.csv",
    "[x]{y}.csv",
    "100%;&|<>.csv",
    "null",
    "true",
    "1.5",
    "表.csv",
    "-dash.csv",
    "'quoted'.csv",
    "a:b@c.csv",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_one_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("x", encoding="utf-8")
    for path in (name, f"{tmp_path}/{name}"):
        (config,) = parse_grid(["data=csv", f"data.path={path}"], single=True).configs
        assert config.data.options["path"] == path
        assert parse_override(write_override("data.path", path)).values == (path,)


def test_a_path_with_a_comma_is_a_list_where_there_is_no_such_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_override("data.path=a,b.csv").values == ("a", "b.csv")
    assert parse_domain("data.path=a,b.csv") == ("data.path", ("a", "b.csv"))
    Path("a,b.csv").touch()
    assert parse_override("data.path=a,b.csv").values == ("a,b.csv",)
    assert parse_override("data.text=a,b.csv").values == ("a", "b.csv")  # a column is not a file


COLUMNS = ["Question (text)", "0", "17", "text", "a b", "a=b", "$x", "été", "50 %", "C:\\x", "true", "[a]", "no."]


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_any_name_is_one_column(name: str) -> None:
    (config,) = parse_grid(["data=csv", f"data.text={name}"], single=True).configs
    assert config.data.options["text"] == name


def test_quotes_protect_commas_and_are_taken_off() -> None:
    assert split_texts("data.text", "'a, b','c'") == ("a, b", "c")
    assert split_texts("data.text", '"a, b", c ') == ("a, b", "c")
    assert split_texts("data.text", "'it\\'s, so'") == ("it's, so",)
    assert split_texts("data.text", "") == ("",) and split_texts("data.text", "a,") == ("a", "")


def test_the_keys_of_text_are_paths_columns_and_encodings() -> None:
    assert {"data.path", "data.test_path", "data.vectors", "data.text", "data.label", "data.encoding"} == text_keys()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\\"), min_size=1))
def test_what_is_written_for_a_column_is_read_as_that_column(name: str) -> None:
    if "${" not in name and "_target_" not in name:
        assert parse_override(write_override("data.text", name)).values == (name,)


PARSER = ("BRACKET", "viable", "mismatched", "extraneous", "token", "Hydra", "grammar", "line 1:", "Lexer")
KEYS = ["depth", "pe", "pe.clip", "data", "data.path", "data.text", "lr", "causal", "pe.by_layer", "seeds"]


@given(st.sampled_from(KEYS), st.text(st.sampled_from("ab1.,()[]{}'\"=\\$#~*:+-% é\n"), max_size=12))
def test_whatever_is_typed_gets_runs_or_plain_sentences(key: str, text: str) -> None:
    word = f"{key}={text}"
    try:
        parse_grid([word])
    except UsageError as error:
        for problem in error.problems:
            assert problem and not any(said in problem.replace(word, "") for said in PARSER), problem
