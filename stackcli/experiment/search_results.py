"""What a search found: its best trials, as tables, files and sentences."""

import math
from collections.abc import Sequence
from typing import Any

from stackcli.common.wording import count_noun
from stackcli.config.settings import Options
from stackcli.experiment import search_importance, search_report
from stackcli.experiment.search_trials import SearchState, Trial, arm_name, shorten_run, trial_point


def print_lines(options: Options, *sentences: Any) -> None:
    """Sentences and tables to stdout, unless that is for one of the forms of the final table."""
    from rich.console import Console

    if options.quiet or options.json or options.csv == "-" or options.format:
        return
    for sentence in filter(None, sentences):
        Console().print(sentence, markup=False, highlight=False)


def tell_result(look: SearchState, best: Trial) -> None:
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


def trial_rows(look: SearchState) -> list[search_report.Row]:
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


def regression(look: SearchState, best: Trial) -> str:
    """How much of the lowest of many was luck."""
    from stackcli.experiment.load import load_study

    runs = load_study(look.store, look.name).runs
    mine = runs[(runs["arm"] == arm_name(look)) & (runs["status"] == "done")]
    was = look.loss(best.config, look.rungs[-1])
    return search_report.describe_luck(was or 0.0, mine["val_loss"].astype(float).tolist())
