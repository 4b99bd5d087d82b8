"""Hyperparameter search: Optuna is asked for settings and told their validation loss; the best is run on fresh seeds.

A trial is one run, on a seed away from those of the study. Trials are asked for in rounds of a fixed size and told in
the order asked, so that a search gives the same trials whatever the number of workers, and one that was stopped goes on
where it was: its runs are kept as all others are. They are a study of their own, NAME-search; the study NAME is the
setting of the lowest validation loss beside the defaults, paired on the seeds that were asked for. Trials never
see the test part.

`--prune` is successive halving, Jamieson and Talwalkar 2016, arXiv:1502.07943, sized as in Li et al. 2018, algorithm 1,
arXiv:1603.06560. A short run is a run of its own, its warm-up and its cosine over its own length, and not the beginning
of a long one: what is kept is never changed, and the longer run starts anew.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from stackcli.common.wording import count_noun
from stackcli.config.search_space import Space
from stackcli.config.settings import Config, Options, Scalar
from stackcli.config.yaml_files import UsageError
from stackcli.experiment import search_importance, search_report, study
from stackcli.experiment.identity import digest
from stackcli.experiment.progress import Progress, on_validation
from stackcli.experiment.search_sampler import KINDS, Sampler
from stackcli.experiment.store import Store
from stackcli.experiment.studies import check_name, check_same_base
from stackcli.experiment.study import Arms

MOST = 1000  # trials
ETA = 3  # a rung keeps one setting in so many, and trains it so many times as long


@dataclass(frozen=True)
class Trial:
    """A setting that was asked for: its number from 1, the values of the searched settings, the run in full."""

    number: int
    values: Mapping[str, Scalar]
    config: Config


class Rung(NamedTuple):
    """`size` settings, each trained for `budget` epochs or steps; None: for as long as it says itself."""

    size: int
    budget: int | None


def run_search(space: Space, options: Options) -> int:
    """The command; returns its exit code. Raises UsageError before anything is trained."""
    check_options(space, options)
    look = plan_search(space, options)
    announce_search(look)
    if options.dry_run:
        return 0
    if options.trials > study.ASK_ABOVE and not options.yes and not study.ask_consent(options.trials):
        look.say(f"{options.trials} trials: write --yes to start so many")
        return 2
    if not look.search():
        return look.code
    best = look.best()
    if best is None:
        return look.code
    tell_result(look, best)
    old = look.store.study(look.name) / "study.json"
    old.unlink(missing_ok=True)  # an earlier choice under this name: its runs stay, the table is of this one
    code = study.run_study(look.arms(best), replace(options, study=look.name, sampler=""))
    if code in (0, 1):
        print_lines(options, regression(look, best))
    return code or look.code


def check_options(space: Space, options: Options) -> None:
    """Raises UsageError for options that do not go together, and where Optuna is missing."""
    problems = []
    if options.sampler not in KINDS:
        kinds = " or ".join(KINDS)
        problems.append(f"--search {options.sampler}: choose {kinds}; without --search every combination is trained")
    if not 1 <= options.trials <= MOST:
        problems.append(f"--trials {options.trials}: a whole number from 1 to {MOST}")
    if options.tune:
        problems.append("--tune and --search: one search is enough; name the setting among those that are searched")
    for key in ("epochs", "steps"):
        if options.prune and key in space.domains:
            problems.append(f"--prune: it sets {key} itself, which then cannot be searched; give {key} one value")
    if options.prune and options.trials < ETA:
        problems.append(f"--prune: keeps one trial in {ETA}, and so needs at least --trials {ETA}")
    try:
        import optuna  # noqa: F401
    except ImportError:
        problems.append("--search needs Optuna, which is not installed: pip install 'stackattn[search]'")
    if problems:
        raise UsageError(problems)


# ---- how long each trial is trained


def resource(config: Config) -> str:
    """The setting that says how long a run is."""
    return "steps" if config.steps else "epochs"


def ladder(full: int, trials: int) -> list[Rung]:
    """The rungs of successive halving for runs of `full` epochs or steps, the shortest first.

    Li et al. 2018, algorithm 1: with K halvings rung i trains n_i = floor(n eta^-i) settings for r_i = R eta^(i-K),
    where R is the full length, here rounded up to whole epochs or steps. K is the largest for which n_K >= 1 and all
    lengths differ.
    """
    budgets = [full]
    while budgets[0] > 1 and trials // ETA ** len(budgets):
        budgets.insert(0, -(-full // ETA ** len(budgets)))
    return [Rung(trials // ETA**i, budget) for i, budget in enumerate(budgets)]


def shorten_run(config: Config, rung: Rung) -> Config:
    """The run as a rung trains it; nobody looks at its weights or inside its layers."""
    length: dict[str, Any] = {} if rung.budget is None else {resource(config): rung.budget}
    return replace(config, keep="none", probes=False, **length)


# ---- before it begins


def plan_search(space: Space, options: Options) -> "Look":
    """Reads the data and tries what is searched at its ends. Raises ValueError for what no trial could do, and
    ConflictError where a study of that name was asked for with other settings."""
    from stackcli.experiment import plan, worker
    from stackcli.launcher.local import Local

    name = options.study or search_name(space, options)
    check_name(f"{name}-search")
    corners = space.corners(min(space.seeds) + study.AWAY)
    study.check_columns(corners, options)
    rungs, length = [Rung(options.trials, None)], ""
    if options.prune:
        length = resource(corners[0])
        rungs = ladder(getattr(corners[0], length), options.trials)
        if len(rungs) < 2:
            raise UsageError([f"--prune: a run of 1 cannot be cut short; give {length} more"])
    store = Store(options.out)
    executor = Local(workers=options.jobs, preload=worker.preload())
    ends = plan.plan(corners, store)
    look = Look(space, options, name, store, executor, corners, ends, rungs, length)
    for view, axes in ((name, ("arm",)), (f"{name}-search", look.axes)):
        if (store.study(view) / "study.json").is_file():
            check_same_base(view, store.read_study(view), {"base": look.base, "axes": axes})
    try:
        look.defaults = tuple(space.config({}, seed) for seed in space.seeds)
        plan.plan(look.defaults, store)
    except ValueError as error:
        look.defaults, look.without = (), str(error).partition("\n")[0]
    return look


def search_name(space: Space, options: Options) -> str:
    """The name of the study after a search: the same search has the same."""
    words = sorted(word for word in space.overrides if word.partition("=")[0] != "seeds")
    head = "-".join([options.sampler, *space.domains])
    return f"{head[:60]}-{digest([*words, options.sampler, options.trials, options.prune])[:8]}"


def announce_search(look: "Look") -> None:
    """What is searched, for how long, and what follows; with --dry-run an estimate."""
    from stackcli.experiment import plan

    options, rungs = look.options, look.rungs
    look.say(f"search {look.name}: {count_noun(options.trials, 'trials')}, {KINDS[options.sampler]}")
    for key, domain in look.space.domains.items():
        look.say(f"  {key}: {search_report.describe_domain(domain)}")
    if look.length:
        each = ", ".join(f"{rung.size} for {count_noun(rung.budget or 0, look.length)}" for rung in rungs)
        spent, full = sum(r.size * (r.budget or 0) for r in rungs), options.trials * (rungs[-1].budget or 0)
        look.say(f"  successive halving: {each}; {spent} {look.length} instead of {full}")
    beside = f"alone, as the defaults cannot be run ({look.without})" if look.without else "beside the defaults"
    look.say(f"then the best setting {beside} on seeds {', '.join(map(str, look.space.seeds))}")
    if options.dry_run:
        size = look.ends.facts[look.corners[0].data]["sizes"]["train"]
        mean = [sum(plan.estimate(shorten_run(c, r), size) for c in look.corners) / len(look.corners) for r in rungs]
        final = mean[-1] * (len(look.defaults) + len(look.space.seeds))
        seconds = final + sum(one * rung.size for one, rung in zip(mean, rungs, strict=True))
        look.say(f"about {study.duration(seconds / options.jobs)} with -j {options.jobs}")


# ---- the search


@dataclass
class Look:
    """A search under way: what it may try and how, and what came of it so far."""

    space: Space
    options: Options
    name: str
    store: Store
    executor: Any
    corners: Sequence[Config]
    ends: Any  # the sweep.Plan of the corners, which knows the data
    rungs: Sequence[Rung]
    length: str  # the setting that is cut short; empty: none
    defaults: tuple[Config, ...] = ()
    without: str = ""  # why there are no defaults
    trials: list[Trial] = field(default_factory=list)
    runs: dict[Config, str] = field(default_factory=dict)
    reached: dict[Config, Rung] = field(default_factory=dict)  # the last rung that a setting was trained on
    statuses: dict[str, str] = field(default_factory=dict)
    cached: int = 0
    code: int = 0

    @property
    def axes(self) -> tuple[str, ...]:
        return (*self.space.domains, *([self.length] if self.length else []))

    @property
    def base(self) -> dict[str, Any]:
        """What all runs share, and the search itself, so that another one cannot take its name."""
        each = [config.flat() for config in self.corners]
        shared = {k: v for k, v in each[0].items() if all(f.get(k, f) == v for f in each)}
        words = sorted(word for word in self.space.overrides if word.partition("=")[0] in self.space.domains)
        kind = f"{self.options.sampler}{', pruned' if self.length else ''}, seed {min(self.space.seeds)}"
        left_out = {"seed", "keep", "probes", *self.axes}
        return {k: v for k, v in shared.items() if k not in left_out} | {"search": f"{kind}: {' '.join(words)}"}

    def say(self, text: str) -> None:
        Progress(quiet=self.options.quiet, total=0, labels=()).say(text)

    def search(self) -> bool:
        """Trains every trial, rung by rung; False where it was stopped."""
        from stackcli.experiment import plan

        self.store.create()
        self.store.tidy()
        plan.keep_facts(self.ends, self.store)
        sampler = Sampler(self.space.domains, self.options.sampler, seed=min(self.space.seeds), make=self.made)
        for size in sampler.rounds(self.options.trials):
            asked = sampler.ask(size)
            here = [Trial(len(self.trials) + i, a.values, a.config) for i, a in enumerate(asked, start=1)]
            self.trials += here
            if not self.train(here, self.rungs[0]):
                return False
            for a in asked:
                sampler.tell(a.trial, self.loss(a.config, self.rungs[0]))
        for below, rung in zip(self.rungs, self.rungs[1:], strict=False):
            if not self.train(self.ranked(below)[: rung.size], rung):
                return False
        if refused := sampler.refused:
            what = f"{len(refused)} settings that were drawn do not go together, and others took their place"
            first = refused[0].partition("\n")[0]
            self.say(f"{what}; the first: {first}")
        return True

    def made(self, values: Mapping[str, Scalar]) -> Config:
        """The run of these values. Raises ValueError where they do not go together, or not with the data."""
        from stackcli.experiment import plan

        config = self.space.config(values, self.corners[0].seed)
        facts = self.ends.facts[config.data]
        plan.check_fit(config, facts)
        plan.check_parts([(config, facts)])
        return config

    def train(self, trials: Sequence[Trial], rung: Rung) -> bool:
        """Trains what is not there already; False where the search ends here."""
        from stackcli.experiment import plan

        self.reached |= {trial.config: rung for trial in trials}
        first: dict[Config, int] = {}
        for trial in trials:
            first.setdefault(shorten_run(trial.config, rung), trial.number)
        new = [config for config in first if config not in self.runs]
        if not new:
            return True
        todo = plan.plan(new, self.store, force=self.options.force, test=False, soon=self.executor.warm)
        lines = [f"trial {first[job.config]} {study.point_label(job.config, '', self.axes)}" for job in todo.todo]
        total = sum(rung.size for rung in self.rungs)
        progress = Progress(quiet=self.options.quiet, total=total, labels=lines, told=on_validation)
        progress.ended = len(self.runs) + todo.cached
        code, statuses = study.train(todo, self.store, self.executor, self.options, progress)
        self.runs |= dict(zip(todo.configs, todo.ids, strict=True))
        self.statuses |= statuses
        self.cached += todo.cached
        self.code = code or self.code
        self.save()
        if code in (75, 130):
            again = study.options_line(self.options, self.arms_of(()))
            self.say(f"stopped; finished runs and checkpoints are kept. To go on: {again}")
        hasty = bool(statuses) and self.options.fail_fast
        if hasty:
            self.say("stopped at the first run that failed, as --fail-fast asks")
        return not (hasty or code in (75, 130))

    def save(self) -> None:
        """The study of the search, as far as it is: a view on its runs."""
        from stackcli.experiment import plan

        every = plan.Plan(tuple(self.runs.values()), tuple(self.runs), (), self.ends.facts, self.ends.facts_keys)
        described = study.study_record(self.arms_of(every.configs), every, self.options)
        described["command"] = "halving" if self.length else "search"
        whole = study.with_statuses(described, self.statuses, self.store)
        self.store.save_study(f"{self.name}-search", whole, grow=bool(self.options.study))

    def arms_of(self, configs: Sequence[Config]) -> Arms:
        words = self.space.overrides
        return Arms(tuple(configs), ("",) * len(configs), self.axes, self.base, words, words)

    def loss(self, config: Config, rung: Rung) -> float | None:
        """Lowest validation loss of a setting on a rung, nats; infinite where it diverged, None where it failed."""
        run = self.runs[shorten_run(config, rung)]
        if run in self.statuses:
            return None
        result = self.store.result(run)
        return float(result["val_loss"]) if result["status"] == "done" else math.inf

    def ranked(self, rung: Rung) -> list[Trial]:
        """The settings that a rung trained without diverging, each once, the lowest validation loss first."""
        return [trial for trial, _ in self.scored(rung)]

    def scored(self, rung: Rung) -> list[tuple[Trial, float]]:
        """`ranked`, each with its validation loss in nats."""
        each = {t.config: t for t in reversed(self.trials) if shorten_run(t.config, rung) in self.runs}
        found = [(t, loss) for t in each.values() if (loss := self.loss(t.config, rung)) is not None]
        return sorted((f for f in found if math.isfinite(f[1])), key=lambda f: (f[1], f[0].number))

    def best(self) -> Trial | None:
        """The setting of the lowest validation loss among those trained in full; None where runs failed and none is
        left. Raises ValueError where all have diverged."""
        found = self.ranked(self.rungs[-1])
        if not found and not self.statuses:
            n = count_noun(len(self.trials), "trials")
            raise ValueError(f"--search: {n}, and every one of them diverged; search smaller values")
        return found[0] if found else None

    def arms(self, best: Trial) -> Arms:
        """The study that follows: the best setting beside the defaults, on the seeds that were asked for."""
        again = tuple(self.space.config(best.values, seed) for seed in self.space.seeds)
        name = arm_name(self)
        arms = ("defaults",) * len(self.defaults) + (name,) * len(again)
        words = (*self.space.overrides, f"{name}: {trial_point(self, best)}")
        return Arms((*self.defaults, *again), arms, ("arm",), self.base, words, self.space.overrides)


def arm_name(look: Look) -> str:
    return f"best of {len(look.trials)}"


def trial_point(look: Look, trial: Trial) -> str:
    """The searched settings of a trial as text."""
    return study.point_label(trial.config, "", tuple(look.space.domains))


# ---- what is said of it


def print_lines(options: Options, *sentences: Any) -> None:
    """Sentences and tables to stdout, unless that is for one of the forms of the final table."""
    from rich.console import Console

    if options.quiet or options.json or options.csv == "-" or options.format:
        return
    for sentence in filter(None, sentences):
        Console().print(sentence, markup=False, highlight=False)


def tell_result(look: Look, best: Trial) -> None:
    """The best trials, the importance of each setting, what was chosen; the files and the figure of the search."""
    from stackcli.common.atomic_files import write_file
    from stackcli.experiment.report import abbreviate_files, redraw

    found, domains = trial_rows(look), look.space.domains
    folder, path = look.store.study(f"{look.name}-search"), look.store.study(f"{look.name}-search") / "trials.csv"
    write_file(path, as_csv(found))
    written = [path, *redraw(look.options.out, folder.name, look.options.formats, ["importance"])]
    look.say(f"{count_noun(len(look.runs), 'runs')}, {look.cached} of them there already")
    look.say(f"wrote {', '.join(abbreviate_files(written, folder))} in {folder}")
    rung = look.rungs[0]
    at = f"after {count_noun(rung.budget, look.length)}" if rung.budget else ""
    matters = search_importance.measure_importances(
        domains, [(trial.values, loss) for trial, loss in look.scored(rung)]
    )
    print_lines(
        look.options,
        search_report.trial_table(found, look.axes, look.length),
        search_importance.describe_importances(matters, at),
        search_report.describe_edges(domains, best.values),
        search_report.describe_choice(
            trial_point(look, best), len(look.trials), look.space.seeds, beside=bool(look.defaults)
        ),
    )


def trial_rows(look: Look) -> list[search_report.Row]:
    """A row a trial, in the order asked: the settings, how long it was trained at last, its validation loss."""
    out: list[search_report.Row] = []
    for trial in look.trials:
        rung = look.reached[trial.config]
        config, loss = shorten_run(trial.config, rung), look.loss(trial.config, rung)
        status = "failed" if loss is None else "done" if math.isfinite(loss) else "diverged"
        values = {axis: config.flat().get(axis) for axis in look.axes}
        result = {"val_loss": loss if status == "done" else None, "status": status, "run": look.runs[config]}
        out.append({"trial": trial.number, **values, **result})
    return out


def as_csv(found: Sequence[search_report.Row]) -> str:
    import pandas as pd

    from stackcli.analysis.tables import to_csv

    return to_csv(pd.DataFrame(list(found)))


def regression(look: Look, best: Trial) -> str:
    """How much of the lowest of many was luck."""
    from stackcli.experiment.load import load_study

    runs = load_study(look.store, look.name).runs
    mine = runs[(runs["arm"] == arm_name(look)) & (runs["status"] == "done")]
    was = look.loss(best.config, look.rungs[-1])
    return search_report.describe_luck(was or 0.0, mine["val_loss"].astype(float).tolist())
