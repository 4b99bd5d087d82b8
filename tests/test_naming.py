"""One name everywhere: pe=alibi is conf/pe/alibi.yaml, stackcli/pe/alibi.py and tests/pe/test_alibi.py."""

import ast
import inspect
from pathlib import Path

import pytest

from stackcli.common import registry
from stackcli.config.settings import GROUPS

ROOT = Path(__file__).parents[1]


def stems(folder: str, pattern: str) -> set[str]:
    return {p.stem for p in (ROOT / folder).glob(pattern) if not p.stem.startswith("_")} - {"base"}


def of_tests(group: str) -> set[str]:
    """The parts that have a test; the base and the helpers of a group may have one too."""
    names = {name.removeprefix("test_") for name in stems(f"tests/{group}", "test_*.py")}
    return {name for name in names if not name.startswith("_")} - {"base"}


@pytest.mark.parametrize("group", [*GROUPS, "explain", "attack", "launcher", "tracker"])
def test_every_part_has_its_file_its_yaml_and_its_test(group: str) -> None:
    code = stems(f"stackcli/{group}", "*.py")
    assert code == stems(f"conf/{group}", "*.yaml")
    assert code == of_tests(group)


def test_every_figure_has_its_test() -> None:
    assert stems("stackcli/figures", "*.py") == of_tests("figures")


@pytest.mark.parametrize("group", [*GROUPS, "explain", "attack", "launcher", "tracker"])
def test_every_part_says_in_one_line_what_it_is(group: str) -> None:
    for name in registry.part_names(group):
        assert 20 < len(registry.part_summary(group, name)) <= 120
        assert inspect.getmodule(registry.load_part(group, name)).__name__ == f"stackcli.{group}.{name}"  # type: ignore[union-attr]


IRREGULAR = [
    "begun",
    "born",
    "bound",
    "broken",
    "built",
    "chosen",
    "cut",
    "done",
    "drawn",
    "driven",
    "found",
    "given",
    "gone",
    "heard",
    "held",
    "kept",
    "known",
    "laid",
    "left",
    "lost",
    "made",
    "meant",
    "met",
    "overheard",
    "paid",
    "put",
    "read",
    "said",
    "seen",
    "sent",
    "shown",
    "sought",
    "spoken",
    "split",
    "spread",
    "taken",
    "taught",
    "told",
    "worn",
    "without",
    "written",
]


def public_functions() -> dict[str, list[str]]:
    """Name -> the modules that define a function of that name."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "stackcli").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(path.relative_to(ROOT / "stackcli").as_posix())
    return found


def is_participle(name: str) -> bool:
    """Whether a name is one word that ends as participles do, or is one that does not."""
    return "_" not in name and (name.endswith(("ed", "ing")) or name in IRREGULAR)


@pytest.mark.parametrize(("name", "bare"), [("told", True), ("rounded", True), ("build_table", False)])
def test_a_bare_participle_is_seen(name: str, bare: bool) -> None:
    assert is_participle(name) == bare


def test_no_public_function_is_a_bare_participle_or_stands_in_more_than_two_modules() -> None:
    wrong = {
        name: modules
        for name, modules in public_functions().items()
        if is_participle(name) or len([m for m in modules if not m.startswith(("figures/", "api/"))]) > 2
    }
    assert wrong == {}


def test_no_file_is_longer_than_350_lines_and_no_function_longer_than_50() -> None:
    long = []
    for path in sorted((ROOT / "stackcli").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 350:
            long.append(path.name)
        nodes = ast.walk(ast.parse(text))
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
        long += [f"{path.name}:{f.name}" for f in functions if f.end_lineno and f.end_lineno - f.lineno + 1 > 50]
    assert long == []


NO_TEST_FILE = {  # module -> where its behaviour is tested, or why it has none
    "distill/base": "an interface; its targets are tested by test_defensive",
    "figures/_curves": "draws for test_loss and test_accuracy_steps",
    "figures/_forest": "draws for test_differences and test_remedies",
    "figures/_profiles": "draws for test_removal, test_layer_probe, test_position_probe and test_logit_lens",
    "launcher/base": "an interface without behaviour",
    "tracker/base": "an interface; what none does is tested by test_none",
    "model/batch": "a dataclass without behaviour",
    "training/observer": "an interface without behaviour",
    "residual/base": "an interface; its default gain is tested by test_deepnorm",
}


def test_every_module_has_a_test_file_of_its_name_or_a_reason() -> None:
    modules = {
        path.relative_to(ROOT / "stackcli").with_suffix("").as_posix()
        for path in (ROOT / "stackcli").glob("*/*.py")
        if path.stem != "__init__"
    }
    tested = {name for name in modules if (ROOT / "tests" / name).with_name(f"test_{Path(name).name}.py").is_file()}
    assert modules - tested == set(NO_TEST_FILE)
