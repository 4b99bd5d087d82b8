"""Equal tuning: every arm of a comparison gets the same search over one setting, by validation loss.

The search is a study of its own, NAME-tune, on seeds of its own. The comparison then runs on the seeds of the command,
each arm with the value of its lowest mean validation loss. The runs of the search never see the test part.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stackcli.common.wording import format_setting
from stackcli.config import overrides, validation
from stackcli.config.settings import Config, Options
from stackcli.config.yaml_files import UsageError
from stackcli.experiment import study
from stackcli.experiment.load import load_study
from stackcli.experiment.progress import Progress
from stackcli.experiment.store import Store
from stackcli.experiment.study import Arms

SEEDS = 2  # of each value in the search

Choice = Mapping[str, Any]  # point of an arm -> the value chosen for it


def run_tuning(arms: Arms, options: Options) -> int:
    """Runs the study, after a search where --tune names one; returns the exit code. Raises UsageError."""
    if not options.tune:
        return study.run_study(arms, options)
    key, values = parse_tuned(options.tune, arms)
    name = tuning_name(arms, options)
    base = {k: v for k, v in arms.base.items() if k != key}
    store = Store(options.out)
    store.check_study(name, {"base": {**base, "tune": options.tune}, "axes": arms.axes})
    search = replace(arms, configs=tuning_runs(arms, key, values), axes=(*arms.axes, key), base=base)
    search = replace(search, arms=("",) * len(search.configs), overrides=(*arms.overrides, options.tune))
    looking = replace(options, study=f"{name}-tune", search=True, tune="")
    code = study.run_study(search, looking)
    if code or options.dry_run:
        return code
    best = choose_values(Store(options.out, create=False), f"{name}-tune", arms, key)
    announce_choice(best, values, key, options)
    settled = tuple(replace(c, **{key: best[study.point_label(c, "", arms.axes)]}) for c in arms.configs)
    tuned = replace(arms, configs=settled, base={**base, "tune": options.tune}, chosen=(*arms.chosen, key), notes=())
    return study.run_study(tuned, replace(options, study=name))


def tuning_name(arms: Arms, options: Options) -> str:
    """Returns the name of the study, which includes the search where there is one."""
    words = (*arms.overrides, f"tune.{options.tune}") if options.tune else arms.overrides
    return options.study or study.study_name(options.command, replace(arms, overrides=words))


def parse_tuned(word: str, arms: Arms) -> tuple[str, tuple[Any, ...]]:
    """Returns the setting that is searched, and its values. Raises UsageError for one that cannot be searched."""
    axis = overrides.parse_override(word)
    if axis.key == "epochs" and any(config.steps for config in arms.configs):
        raise UsageError([f"--tune {word}: steps= sets how long a run trains; leave it out, or tune steps"])
    sizes = (*arms.chosen, "heads", "share_layers") if arms.match else ()
    if axis.key in sizes:
        why = f"match={arms.match['by']} sizes every depth, so that {axis.key} cannot be tuned"
        raise UsageError([f"--tune {word}: {why}"])
    if axis.key not in validation.key_types() or axis.key in ("seed", *arms.axes) or arms.axes == ("arm",):
        what = "a setting that is a number or a word and is not compared, such as lr=0.001,0.003"
        raise UsageError([f"--tune {word}: {what}"])
    values = tuple(float(v) if validation.is_float(axis.key) and isinstance(v, int) else v for v in axis.values)
    problems = validation.check_values({axis.key: value} for value in values)
    if len(values) < 2:
        problems.append(f"--tune {word}: a search needs at least two values")
    if not problems:
        flats = [{**c.flat(), axis.key: value} for c in arms.configs for value in values]
        problems += [text for flat in flats for text in validation.check_together(flat)]
    if problems:
        raise UsageError(problems)
    return axis.key, values


def tuning_runs(arms: Arms, key: str, values: tuple[Any, ...]) -> tuple[Config, ...]:
    """Returns the runs of the search: every arm with every value, on seeds that the comparison does not use."""
    first = min(c.seed for c in arms.configs) + study.AWAY
    seeds = range(first, first + SEEDS)
    each = dict.fromkeys(replace(c, seed=0) for c in arms.configs)
    return tuple(replace(c, seed=s, **{key: v}) for c in each for v in values for s in seeds)


def choose_values(store: Store, name: str, arms: Arms, key: str) -> Choice:
    """Returns for each arm the value of the lowest mean validation loss; a value with a run that diverged is ruled out.
    Raises ValueError where every value is ruled out for an arm."""
    runs = load_study(store, name).runs
    best = {}
    for config in dict.fromkeys(replace(c, seed=0) for c in arms.configs):
        at = study.point_label(config, "", arms.axes)
        tried = runs[[all(_same(row[a], config.flat().get(a)) for a in arms.axes) for row in runs.to_dict("records")]]
        complete = tried.groupby(key, sort=False).filter(lambda group: bool((group["status"] == "done").all()))
        if complete.empty:
            raise ValueError(f"--tune {key}: no value trained {at or 'the stack'} without diverging; try smaller ones")
        found = complete.groupby(key, sort=False)["val_loss"].mean().idxmin()
        best[at] = found.item() if hasattr(found, "item") else found
    return best


def _same(a: Any, b: Any) -> bool:
    return bool(a == b) or (b is None and a != a)


def announce_choice(best: Choice, values: tuple[Any, ...], key: str, options: Options) -> None:
    """Says what was chosen, and whether it lies at an end of the values, where a better one may lie beyond."""
    progress = Progress(quiet=options.quiet)
    ends = (min(values), max(values)) if all(isinstance(v, int | float) for v in values) else ()
    for point, value in best.items():
        edge = " (at the end of the values: a better one may lie beyond)" if value in ends else ""
        progress.say(f"tuned on {SEEDS} seeds of its own: {point} {key}={format_setting(value)}{edge}")
