"""The trials of a search, what they share, and how they are trained."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from stackcli.common.wording import count_noun
from stackcli.config.search_space import Space
from stackcli.config.settings import Config, Options, Scalar
from stackcli.experiment import study
from stackcli.experiment.progress import Progress, on_validation
from stackcli.experiment.search_sampler import Sampler
from stackcli.experiment.store import Store
from stackcli.experiment.study import Arms

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


def resource(config: Config) -> str:
    """The setting that says how long a run is."""
    return "steps" if config.steps else "epochs"


def shorten_run(config: Config, rung: Rung) -> Config:
    """The run as a rung trains it; nobody looks at its weights or inside its layers."""
    length: dict[str, Any] = {} if rung.budget is None else {resource(config): rung.budget}
    return replace(config, keep="none", probes=False, **length)


@dataclass
class SearchState:
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
        Progress(quiet=self.options.quiet).say(text)

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
        progress = Progress(quiet=self.options.quiet, total=total, labels=lines, describe=on_validation)
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


def arm_name(look: SearchState) -> str:
    return f"best of {len(look.trials)}"


def trial_point(look: SearchState, trial: Trial) -> str:
    """The searched settings of a trial as text."""
    return study.point_label(trial.config, "", tuple(look.space.domains))
