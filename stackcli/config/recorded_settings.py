"""Recorded studies: experiments/NAME/settings.txt, a line an arm, `name: overrides`, or one line of overrides alone."""

import shlex
from pathlib import Path

FOLDERS = (Path(__file__).parents[1] / "experiments", Path(__file__).parents[2] / "experiments")  # wheel, checkout


def experiment_names() -> list[str]:
    return sorted({p.parent.name for folder in FOLDERS for p in folder.glob("*/settings.txt")})


def describe_experiment(name: str) -> str:
    """Returns the comment that a recorded study begins with; an empty text without one."""
    first = settings_path(name).read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def settings_path(name: str) -> Path:
    """The settings of a recorded study."""
    return next(p for folder in FOLDERS if (p := folder / name / "settings.txt").is_file())


def read_experiment(name: str) -> dict[str, list[str]]:
    """Arm -> overrides. Raises ValueError for an unknown experiment."""
    if name not in experiment_names():
        raise ValueError(
            f"--experiment {name}: no such experiment; choose from {', '.join(experiment_names()) or 'none'}"
        )
    path = settings_path(name)
    arms: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.partition("#")[0].strip()
        if line:
            head, colon, rest = line.partition(":")
            arm, words = (head.strip(), rest) if colon and "=" not in head else ("", line)
            arms[arm] = shlex.split(words)
    return arms
