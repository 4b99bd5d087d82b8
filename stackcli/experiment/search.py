"""Hyperparameter search: Optuna proposes settings, each is trained once, and the best is run again on fresh seeds.

A trial is one run, on a seed that the study does not use. Optuna proposes trials in rounds of a fixed size and gets
their validation losses in the same order, so that a search has the same trials whatever the number of workers, and an
interrupted search goes on where it stopped. The trials are a study of their own, NAME-search. The study NAME compares
the setting of the lowest validation loss with the defaults, paired on the seeds of the command. Trials never see the
test part.

`--prune` is successive halving, Jamieson and Talwalkar 2016, arXiv:1502.07943, sized as in Li et al. 2018, algorithm 1,
arXiv:1603.06560. A short run is a run of its own, whose warm-up and cosine span its own length, and not the beginning
of a long one: a stored run never changes, so the longer run starts again from its first step.
"""

import contextlib
from dataclasses import replace

from stackcli.common.wording import count_noun, format_duration
from stackcli.config.search_space import Space
from stackcli.config.settings import Options
from stackcli.config.yaml_files import UsageError
from stackcli.experiment import search_report, study
from stackcli.experiment.identity import digest
from stackcli.experiment.search_results import print_lines, regression, tell_result
from stackcli.experiment.search_sampler import KINDS
from stackcli.experiment.search_trials import ETA, Rung, SearchState, resource, shorten_run
from stackcli.experiment.store import Store
from stackcli.experiment.studies import check_name

MOST = 1000  # trials


def run_search(space: Space, options: Options) -> int:
    """Runs the search and the study after it; returns the exit code. Raises UsageError before anything is trained."""
    check_options(space, options)
    state = plan_search(space, options)
    announce_search(state)
    if options.dry_run:
        return 0
    if options.trials > study.ASK_ABOVE and not options.yes and not study.ask_consent(options.trials):
        state.say(f"{options.trials} trials: write --yes to start more than 200")
        return 2
    with contextlib.closing(state.executor):
        ended = state.search()
    if not ended:
        return state.code
    best = state.best()
    if best is None:
        return state.code
    tell_result(state, best)
    old = state.store.study(state.name) / "study.json"
    old.unlink(missing_ok=True)  # an earlier choice under this name; its runs are kept
    code = study.run_study(state.arms(best), replace(options, study=state.name, sampler=""))
    if code in (0, 1):
        print_lines(options, regression(state, best))
    return code or state.code


def check_options(space: Space, options: Options) -> None:
    """Raises UsageError for options that cannot be combined, and where Optuna is missing."""
    problems = []
    if options.sampler not in KINDS:
        kinds = " or ".join(KINDS)
        problems.append(f"--search {options.sampler}: choose {kinds}; without --search every combination is trained")
    if not 1 <= options.trials <= MOST:
        problems.append(f"--trials {options.trials}: must be a whole number from 1 to {MOST}")
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


# ---- before it begins


def plan_search(space: Space, options: Options) -> "SearchState":
    """Reads the data and checks the ends of every searched setting. Raises ValueError for settings that cannot be
    trained, and ConflictError where a study of the same name has other settings."""
    from stackcli.experiment import plan, worker
    from stackcli.experiment.executor import build_executor

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
    executor = build_executor(options, worker.preload())
    ends = plan.plan(corners, store, here=executor.here)
    state = SearchState(space, options, name, store, executor, corners, ends, rungs, length)
    for view, axes in ((name, ("arm",)), (f"{name}-search", state.axes)):
        store.check_study(view, {"base": state.base, "axes": axes})
    try:
        state.defaults = tuple(space.config({}, seed) for seed in space.seeds)
        plan.plan(state.defaults, store, here=executor.here)
    except ValueError as error:
        state.defaults, state.without = (), str(error).partition("\n")[0]
    return state


def search_name(space: Space, options: Options) -> str:
    """Returns the name of the study after a search; equal searches have equal names."""
    words = sorted(word for word in space.overrides if word.partition("=")[0] != "seeds")
    head = "-".join([options.sampler, *space.domains])
    return f"{head[:60]}-{digest([*words, options.sampler, options.trials, options.prune])[:8]}"


def announce_search(state: "SearchState") -> None:
    """Says what is searched, for how long, and what follows; with --dry-run also how long it will take."""
    from stackcli.experiment import plan

    options, rungs = state.options, state.rungs
    state.say(f"search {state.name}: {count_noun(options.trials, 'trials')}, {KINDS[options.sampler]}")
    for key, domain in state.space.domains.items():
        state.say(f"  {key}: {search_report.describe_domain(domain)}")
    if state.length:
        each = ", ".join(f"{rung.size} for {count_noun(rung.budget or 0, state.length)}" for rung in rungs)
        spent, full = sum(r.size * (r.budget or 0) for r in rungs), options.trials * (rungs[-1].budget or 0)
        state.say(f"  successive halving: {each}; {spent} {state.length} instead of {full}")
    beside = f"alone, as the defaults cannot be run ({state.without})" if state.without else "beside the defaults"
    state.say(f"then the best setting {beside} on seeds {', '.join(map(str, state.space.seeds))}")
    if not options.quiet:
        size = state.ends.facts[state.corners[0].data]["sizes"]["train"]
        mean = [sum(plan.estimate(shorten_run(c, r), size) for c in state.corners) / len(state.corners) for r in rungs]
        final = mean[-1] * (len(state.defaults) + len(state.space.seeds))
        seconds = final + sum(one * rung.size for one, rung in zip(mean, rungs, strict=True))
        state.say(f"about {format_duration(seconds / options.jobs)} of training with -j {options.jobs}")
