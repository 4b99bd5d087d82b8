"""What a search prints and writes: its best trials as tables, files and sentences."""

import math
from collections.abc import Sequence
from typing import Any

from stackcli.common.wording import count_noun
from stackcli.config.settings import Options
from stackcli.experiment import search_importance, search_report
from stackcli.experiment.search_trials import SearchState, Trial, arm_name, shorten_run, trial_point


def print_lines(options: Options, *sentences: Any) -> None:
    """Prints sentences and tables, unless stdout is for the final table alone (--json, --csv -, --format)."""
    from stackcli.experiment.console import Console

    if options.json or options.csv == "-" or options.format:
        return
    for sentence in filter(None, sentences):
        Console().print(sentence, markup=False, highlight=False)


def tell_result(state: SearchState, best: Trial) -> None:
    """Prints the best trials, the importance of each setting and the choice; writes the files of the search."""
    from stackcli.common.atomic_files import write_file
    from stackcli.experiment.study_figures import redraw
    from stackcli.experiment.written_files import describe_files

    found, domains = trial_rows(state), state.space.domains
    folder, path = state.store.study(f"{state.name}-search"), state.store.study(f"{state.name}-search") / "trials.csv"
    write_file(path, as_csv(found))
    written = [path, *redraw(state.options.out, folder.name, state.options.formats, ["importance"]).paths]
    twice = "; a setting that is proposed twice is trained once" if len(state.runs) < len(state.trials) else ""
    state.say(f"{count_noun(len(state.runs), 'runs')}, {state.cached} of them finished before{twice}")
    state.say(describe_files(written, folder, "importance"))
    rung = state.rungs[0]
    at = f"after {count_noun(rung.budget, state.length)}" if rung.budget else ""
    matters = search_importance.measure_importances(
        domains, [(trial.values, loss) for trial, loss in state.scored(rung)]
    )
    print_lines(
        state.options,
        search_report.trial_table(found, state.axes, state.length),
        search_importance.describe_importances(matters, at),
        search_report.describe_edges(domains, best.values),
        search_report.describe_choice(
            trial_point(state, best), len(state.trials), state.space.seeds, beside=bool(state.defaults)
        ),
    )


def trial_rows(state: SearchState) -> list[search_report.Row]:
    """Returns a row for each trial in order: its settings, how long it was trained in the end, its validation loss."""
    out: list[search_report.Row] = []
    for trial in state.trials:
        rung = state.reached[trial.config]
        config, loss = shorten_run(trial.config, rung), state.loss(trial.config, rung)
        status = "failed" if loss is None else "done" if math.isfinite(loss) else "diverged"
        values = {axis: config.flat().get(axis) for axis in state.axes}
        result = {"val_loss": loss if status == "done" else None, "status": status, "run": state.runs[config]}
        out.append({"trial": trial.number, **values, **result})
    return out


def as_csv(found: Sequence[search_report.Row]) -> str:
    import pandas as pd

    from stackcli.analysis.tables import to_csv

    return to_csv(pd.DataFrame(list(found)))


def regression(state: SearchState, best: Trial) -> str:
    """Compares the lowest validation loss of the search with that on the fresh seeds."""
    from stackcli.experiment.load import load_study

    runs = load_study(state.store, state.name).runs
    chosen = runs[(runs["arm"] == arm_name(state)) & (runs["status"] == "done")]
    was = state.loss(best.config, state.rungs[-1])
    return search_report.describe_luck(was or 0.0, chosen["val_loss"].astype(float).tolist())
