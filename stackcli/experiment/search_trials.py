"""The trials of a search, what they share, and how they are trained."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from stackcli.common.wording import count_noun
from stackcli.config.search_space import Space
from stackcli.config.settings import Config, Options, Scalar
from stackcli.experiment import live_files, study
from stackcli.experiment.progress import Progress, on_validation
from stackcli.experiment.search_sampler import Sampler
from stackcli.experiment.store import Store
from stackcli.experiment.study import Arms

ETA = 3  # a rung keeps one setting in ETA, and trains it ETA times as long


@dataclass(frozen=True)
class Trial:
    """A proposed setting: its number from 1, the values of the searched settings, and the run at full length."""

    number: int
    values: Mapping[str, Scalar]
    config: Config


class Rung(NamedTuple):
    """`size` settings, each trained for `budget` epochs or steps; None: for its full length."""

    size: int
    budget: int | None


def resource(config: Config) -> str:
    """Returns the setting that decides how long a run is."""
    return "steps" if config.steps else "epochs"


def shorten_run(config: Config, rung: Rung) -> Config:
    """Returns the run as a rung trains it: its weights are not kept and its layers not recorded."""
    length: dict[str, Any] = {} if rung.budget is None else {resource(config): rung.budget}
    return replace(config, keep="none", probes=False, **length)


@dataclass
class SearchState:
    """A search in progress: its space, its options, and its results so far."""

    space: Space
    options: Options
    name: str
    store: Store
    executor: Any
    corners: Sequence[Config]
    ends: Any  # the plan.Plan of the corners, with the facts of the data
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
    planned: int = 0  # runs of all rungs
    progress: Progress = field(default_factory=lambda: Progress(quiet=True))

    def __post_init__(self) -> None:
        self.planned = sum(rung.size for rung in self.rungs)
        self.progress.total = self.planned

    @property
    def axes(self) -> tuple[str, ...]:
        return (*self.space.domains, *([self.length] if self.length else []))

    @property
    def base(self) -> dict[str, Any]:
        """The settings that all runs share, and the search itself, so that another search cannot take its name."""
        each = [config.flat() for config in self.corners]
        shared = {k: v for k, v in each[0].items() if all(f.get(k, f) == v for f in each)}
        words = sorted(word for word in self.space.overrides if word.partition("=")[0] in self.space.domains)
        kind = f"{self.options.sampler}{', pruned' if self.length else ''}, seed {min(self.space.seeds)}"
        left_out = {"seed", "keep", "probes", *self.axes}
        return {k: v for k, v in shared.items() if k not in left_out} | {"search": f"{kind}: {' '.join(words)}"}

    def say(self, text: str) -> None:
        Progress(quiet=self.options.quiet).say(text)

    def search(self) -> bool:
        """Trains every trial, rung by rung; returns False where it was stopped."""
        from stackcli.experiment import plan

        self.store.create()
        self.store.tidy()
        plan.keep_facts(self.ends, self.store)
        folder = self.store.study(f"{self.name}-search")
        folder.mkdir(parents=True, exist_ok=True)
        again = study.options_line(self.options, self.arms_of(()))
        with live_files.keep_live(folder, again, lambda: self.progress.state()):
            return self.train_rungs()

    def train_rungs(self) -> bool:
        """As `search`, which says to `watch` what it does."""
        sampler = Sampler(self.space.domains, self.options.sampler, seed=min(self.space.seeds), make=self.build_config)
        for size in sampler.rounds(self.options.trials):
            proposed = sampler.ask(size)
            trials = [Trial(len(self.trials) + i, one.values, one.config) for i, one in enumerate(proposed, start=1)]
            self.trials += trials
            if not self.train(trials, self.rungs[0]):
                return False
            for one in proposed:
                sampler.tell(one.trial, self.loss(one.config, self.rungs[0]))
        for below, rung in zip(self.rungs, self.rungs[1:], strict=False):
            if not self.train(self.ranked(below)[: rung.size], rung):
                return False
        if refused := sampler.refused:
            what = f"{len(refused)} of the sampled settings do not fit together and were replaced"
            first = refused[0].partition("\n")[0]
            self.say(f"{what}; the first: {first}")
        self.planned = len(self.runs)  # settings that were proposed twice are trained once
        self.save()
        return True

    def build_config(self, values: Mapping[str, Scalar]) -> Config:
        """Returns the run of these values. Raises ValueError where they do not fit together or do not fit the data."""
        from stackcli.experiment import plan

        config = self.space.config(values, self.corners[0].seed)
        facts = self.ends.facts[config.data]
        plan.check_fit(config, facts)
        plan.check_parts([(config, facts)])
        return config

    def train(self, trials: Sequence[Trial], rung: Rung) -> bool:
        """Trains the runs that do not exist yet; returns False where the search ends here."""
        from stackcli.experiment import plan

        self.reached |= {trial.config: rung for trial in trials}
        first: dict[Config, int] = {}
        for trial in trials:
            first.setdefault(shorten_run(trial.config, rung), trial.number)
        new = [config for config in first if config not in self.runs]
        if not new:
            return True
        todo = plan.plan(
            new, self.store, force=self.options.force, test=False, soon=self.executor.warm, here=self.executor.here
        )
        lines = [f"trial {first[job.config]} {study.point_label(job.config, '', self.axes)}" for job in todo.todo]
        ids = [job.run for job in todo.todo]
        progress = Progress(
            quiet=self.options.quiet, total=self.planned, labels=lines, describe=on_validation, runs=ids
        )
        progress.ended = len(self.runs) + todo.cached
        self.progress = progress
        code, statuses = study.train(todo, self.store, self.executor, replace(self.options, study=self.name), progress)
        self.runs |= dict(zip(todo.configs, todo.ids, strict=True))
        self.statuses |= statuses
        self.cached += todo.cached
        self.code = code or self.code
        self.save()
        if code in (75, 130):
            command = study.options_line(self.options, self.arms_of(()))
            self.say(f"stopped; finished runs and checkpoints are kept. To go on: {command}")
        failed_fast = bool(statuses) and self.options.fail_fast
        if failed_fast:
            self.say("stopped at the first run that failed, because of --fail-fast")
        return not (failed_fast or code in (75, 130))

    def save(self) -> None:
        """Saves the study of the search with the runs so far."""
        from stackcli.experiment import plan

        every = plan.Plan(tuple(self.runs.values()), tuple(self.runs), (), self.ends.facts, self.ends.facts_keys)
        described = study.study_record(self.arms_of(every.configs), every, self.options)
        described["command"] = "halving" if self.length else "search"
        described["planned"] = self.planned
        record = study.with_statuses(described, self.statuses, self.store)
        self.store.save_study(f"{self.name}-search", record, grow=bool(self.options.study))

    def arms_of(self, configs: Sequence[Config]) -> Arms:
        words = self.space.overrides
        return Arms(tuple(configs), ("",) * len(configs), self.axes, self.base, words, words)

    def loss(self, config: Config, rung: Rung) -> float | None:
        """Returns the lowest validation loss of a setting on a rung, nats; infinite where it diverged, None where it
        failed."""
        run = self.runs[shorten_run(config, rung)]
        if run in self.statuses:
            return None
        result = self.store.result(run)
        return float(result["val_loss"]) if result["status"] == "done" else math.inf

    def ranked(self, rung: Rung) -> list[Trial]:
        """Returns the settings that a rung trained without diverging, each once, the lowest validation loss first."""
        return [trial for trial, _ in self.scored(rung)]

    def scored(self, rung: Rung) -> list[tuple[Trial, float]]:
        """Returns what `ranked` does, each with its validation loss in nats."""
        each = {t.config: t for t in reversed(self.trials) if shorten_run(t.config, rung) in self.runs}
        found = [(t, loss) for t in each.values() if (loss := self.loss(t.config, rung)) is not None]
        return sorted((f for f in found if math.isfinite(f[1])), key=lambda f: (f[1], f[0].number))

    def best(self) -> Trial | None:
        """Returns the setting of the lowest validation loss among those trained in full; None where runs failed and
        none is left. Raises ValueError where all have diverged."""
        found = self.ranked(self.rungs[-1])
        if not found and not self.statuses:
            n = count_noun(len(self.trials), "trials")
            raise ValueError(f"--search: {n}, and every one of them diverged; search smaller values")
        return found[0] if found else None

    def arms(self, best: Trial) -> Arms:
        """Returns the study after the search: the best setting and the defaults, on the seeds of the command."""
        chosen = tuple(self.space.config(best.values, seed) for seed in self.space.seeds)
        name = arm_name(self)
        arms = ("defaults",) * len(self.defaults) + (name,) * len(chosen)
        words = (*self.space.overrides, f"{name}: {trial_point(self, best)}")
        return Arms((*self.defaults, *chosen), arms, ("arm",), self.base, words, self.space.overrides)


def arm_name(state: SearchState) -> str:
    """Returns the name of the arm of the best setting."""
    return f"best of {len(state.trials)}"


def trial_point(state: SearchState, trial: Trial) -> str:
    """Returns the searched settings of a trial as text."""
    return study.point_label(trial.config, "", tuple(state.space.domains))
