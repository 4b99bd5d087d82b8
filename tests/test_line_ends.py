"""Lines of a user's text end with \\n or \\r\\n alone: `splitlines` would also cut at form feeds, U+2028 and others."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "stackcli"
NO_USERS_TEXT = {
    "config/settings_list.py": "the defaults of this package, config.yaml",
    "config/recorded_settings.py": "the settings of recorded studies",
    "common/atomic_files.py": "bytes of JSON lines that this package wrote",
    "experiment/known_answers.py": "the expectations of recorded studies",
}


def splits(path: Path) -> list[int]:
    """The lines of a source file on which `.splitlines` is used."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node.lineno for node in nodes if isinstance(node, ast.Attribute) and node.attr == "splitlines"]


def test_no_text_of_a_user_is_split_at_every_sign_that_might_end_a_line() -> None:
    found = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if splits(path)}
    assert found <= set(NO_USERS_TEXT)


def test_a_use_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('x = "a"\nfor line in x.splitlines():\n    pass\n')
    assert splits(tmp_path / "a.py") == [2]
