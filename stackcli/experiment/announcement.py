"""What a study says before it begins: the runs, how long they take, the data, and what parts set."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stackcli.common import registry as parts
from stackcli.common.wording import count_noun, format_seeds, format_setting
from stackcli.config.defaults import part_defaults
from stackcli.config.settings import GROUPS, Config, Options
from stackcli.experiment.progress import Progress
from stackcli.experiment.store import Store

if TYPE_CHECKING:
    from stackcli.experiment.plan import Plan
    from stackcli.experiment.study import Arms


def announce_command(arms: "Arms", options: Options, store: Store) -> bool:
    """Says what a command will run, before anything heavy is loaded, and about how long it takes where the store has
    similar runs; returns whether it said how long."""
    from stackcli.experiment import run_time

    if options.quiet:
        return True
    jobs = min(options.jobs, len(arms.configs))
    found = None if options.force else run_time.estimate_from_records(arms.configs, run_time.read_records(store), jobs)
    data = ", ".join(dict.fromkeys(config.data.name for config in arms.configs))
    how = [f"{jobs} at once"] if jobs > 1 else []
    how = how if options.launcher.name == "local" else [describe_launcher(options)]
    where = "" if "data" in arms.axes else f" on {data}"  # the axes name the data already
    what = f"{count_noun(len(set(arms.configs)), 'runs')} ({describe_axes(arms)}){where}"
    name = f"{options.command} --tune" if options.search else options.command
    text = ", ".join([f"{name}: {what}", *how]) + (f"; {found}" if found else "")
    Progress(quiet=options.quiet).say(text)
    return found is not None


def describe_launcher(options: Options) -> str:
    """Returns the launcher with its keys that are not the usual ones: launcher=slurm (partition=gpu)."""
    usual = part_defaults("launcher", options.launcher.name)
    keys = [f"{key}={format_setting(v)}" for key, v in options.launcher.keys if usual.get(key) != v]
    return f"launcher={options.launcher.name}" + (f" ({', '.join(keys)})" if keys else "")


def describe_axes(arms: "Arms") -> str:
    """Returns the axes with their values, and the seeds."""
    flats = [{**c.flat(), **label} for c, label in zip(arms.configs, arms.labelled, strict=True)]
    axes = {a: list(dict.fromkeys(format_setting(flat.get(a)) for flat in flats)) for a in arms.axes if a != "arm"}
    axes |= {"arm": list(dict.fromkeys(arms.arms))} if "arm" in arms.axes else {}
    seeds = sorted({c.seed for c in arms.configs})
    named = f"seed{'s' if len(seeds) > 1 else ''} {format_seeds(seeds, listed=5)}"
    return "; ".join([*(f"{a} = {', '.join(v)}" for a, v in axes.items()), named])


def announce_plan(arms: "Arms", plan: "Plan", options: Options, progress: Progress, *, timed: bool) -> None:
    """Says which runs exist, about how long the others take unless that was said before (`timed`), and the notices of
    the data."""
    text = f"{plan.cached} finished before, {len(plan.todo)} to train"
    if plan.todo and not timed:
        from stackcli.experiment.run_time import estimate_from_steps

        configs = [job.config for job in plan.todo]
        text += f"; {estimate_from_steps(configs, plan.facts, plan.load, min(options.jobs, len(configs)))}"
    progress.say(text)
    for note in arms.notes:
        progress.say(note)
    for data, facts in plan.facts.items():
        progress.say(describe_sizes(data.name, facts))
        for notice in facts["notices"]:
            progress.say(f"data={data.name}: {notice}")
    for need in dict.fromkeys(need for config in arms.configs for need in describe_need(config)):
        progress.say(need)


def describe_sizes(name: str, facts: Mapping[str, Any]) -> str:
    """Says how large the parts of a data set are, and what share of each a class has where there are few classes."""
    sizes, parts = facts["sizes"], ("train", "val", "test")
    head = f"data={name}: {sizes['train']} train, {sizes['val']} validation, {sizes['test']} test"
    classes = facts["classes"] if len(facts["classes"]) <= 6 else []
    each = (f"{c} " + "/".join(f"{100 * facts['shares'][p][c]:.0f}" for p in parts) for c in classes)
    return head + (f"; class shares in % of each: {', '.join(each)}" if classes else "")


def describe_need(config: Config) -> list[str]:
    """Says which parts of a run another part sets."""
    chosen = {group: str(getattr(config, group).name) for group in GROUPS}
    return [f"{g}={n} sets {o}={m}" for g, n in chosen.items() for o, m in parts.needed_parts(g, n).items()]


def describe_dropped(study: str, runs: int, *, named: bool) -> str:
    """Says how many runs of a stored study are not among those of the command. `named`: whether --study named the
    study."""
    how = "its axes have changed" if named else "a study named with --study grows instead"
    which = "that is not among those" if runs == 1 else "that are not among those"
    return (
        f"study {study}: {count_noun(runs, 'runs')} {which} of this command: left out of its tables and figures, and "
        f"kept in the store; {how}"
    )
