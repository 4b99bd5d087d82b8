"""A package imports only from packages of a lower rank."""

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "stackcli"
GROUPS = (
    "pe",
    "residual",
    "norm",
    "attention",
    "init",
    "data",
    "adversarial",
    "distill",
    "launcher",
    "tracker",
    "explain",
    "attack",
)
RANKS = (
    ("__init__",),
    ("__main__", "api"),
    ("cli",),
    ("experiment",),
    ("figures",),
    ("analysis",),
    ("diagnostics",),
    ("training",),
    ("model",),
    GROUPS,
    ("config",),
    ("common",),
)
RANK = {name: i for i, rank in enumerate(RANKS) for name in rank}
OWNERS = {"typer": {"cli"}, "hydra": {"config"}, "omegaconf": {"config"}, "optuna": {"experiment"}}
NO_TORCH: tuple[str, ...] = ("analysis/", "figures/", "config/", "common/", "cli/")
NO_TORCH += tuple(
    f"experiment/{name}"
    for name in ("store", "studies", "study", "load", "report", "search", "identity", "page_", "study_")
)


def imports(path: Path) -> set[str]:
    """Returns every module named in an import statement of the file, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("stackcli."):
            found |= {name for alias in node.names if (name := target(str(node.module), alias.name))}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def target(module: str, name: str) -> str:
    """Returns what `from module import name` imports: the module, or its submodule of this name."""
    inside = PACKAGE.joinpath(*module.split(".")[1:], name)
    return f"{module}.{name}" if inside.is_dir() or inside.with_suffix(".py").is_file() else module


def own(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_every_form_of_import_is_recognised(tmp_path: Path) -> None:
    forms = (
        "import stackcli.pe.learned",
        "from stackcli.pe import learned",
        "from stackcli.pe.learned import Learned",
        "def f():\n    from stackcli.pe import learned as l",
    )
    for form in forms:
        (tmp_path / "a.py").write_text(form)
        assert imports(tmp_path / "a.py") == {"stackcli.pe.learned"}, form
    (tmp_path / "a.py").write_text("from stackcli import pe, __version__")
    assert imports(tmp_path / "a.py") == {"stackcli.pe", "stackcli"}


def test_every_module_has_a_rank() -> None:
    assert {own(path) for path in files()} <= set(RANK)


def test_imports_point_down() -> None:
    wrong = []
    for path in files():
        for name in imports(path):
            target = name.split(".")[1] if name.startswith("stackcli.") else ""
            if target in RANK and target != own(path) and RANK[target] <= RANK[own(path)]:
                wrong.append(f"{path.name} imports {name}")
    assert wrong == []


def test_no_module_imports_the_functions_of_the_whole_package() -> None:
    modules = {own(path) for path in files()}
    for path in files():
        if "from stackcli import" in (text := path.read_text(encoding="utf-8")):
            nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
            names = {alias.name for node in nodes if node.module == "stackcli" for alias in node.names}
            assert names <= {"__version__", *modules}, path


def test_parts_of_a_group_never_import_one_another() -> None:
    for path in files():
        group = own(path)
        if group in GROUPS:
            others = {n.split(".")[2] for n in imports(path) if n.startswith(f"stackcli.{group}.")}
            assert {name for name in others if name != "base" and not name.startswith("_")} == set(), path


def test_each_library_has_one_importer() -> None:
    for path in files():
        for name in imports(path):
            assert own(path) in OWNERS.get(name.split(".")[0], {own(path)}), f"{path} imports {name}"


def test_modules_without_torch_do_not_import_it_at_the_top() -> None:
    for path in files():
        top = ast.parse(path.read_text(encoding="utf-8")).body
        if path.relative_to(PACKAGE).as_posix().startswith(NO_TORCH):
            names = {a.name for node in top if isinstance(node, ast.Import) for a in node.names}
            names |= {str(node.module) for node in top if isinstance(node, ast.ImportFrom)}
            assert not any(n.split(".")[0] == "torch" for n in names), path


def test_planning_and_reporting_a_study_load_no_torch() -> None:
    modules = ("study", "plan", "report", "load", "store", "search", "tuning", "remedy_trials", "matched_cost")
    pages = ("study_report", "study_page", "study_paper", "page_layout", "page_tables")
    code = "".join(f"import stackcli.experiment.{name}\n" for name in modules + pages)
    code += "import sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent)
