"""The command line: parse, call, print. Everything heavy is imported by the command that needs it."""

import dataclasses
import errno
import os
import sys
from collections.abc import Callable
from importlib import import_module
from inspect import Signature, signature
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from stackcli import __version__
from stackcli.suggest import nearest
from stackcli.wording import counted

app = typer.Typer(
    name="stackattn",
    help="What happens when self-attention layers with position encodings are stacked?\n\n"
    "Settings are written key=value, several values with commas: depth=1,2,4,8,16 pe=learned,relative pe.clip=8. "
    "Every setting with its default: stackattn list settings.",
    epilog="Example: stackattn sweep depth=1,2,4,8,16",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def complete(incomplete: str) -> list[str]:
    """Keys, groups and choices, for the shell's completion. Bash breaks words at `=` and wants what comes after it."""
    from stackcli.config import choices, keys

    words, at = os.environ.get("COMP_WORDS", "").split(), int(os.environ.get("COMP_CWORD") or 0)
    before = words[:at]
    if words[at : at + 1] == ["="] and before:
        key, typed, prefix = before[-1], "", ""
    elif before[-1:] == ["="] and len(before) > 1:
        key, typed, prefix = before[-2], incomplete, ""
    else:
        key, equals, typed = incomplete.partition("=")
        prefix = f"{key}="
        if not equals:
            return [f"{name}=" for name in keys() if name.startswith(key)]
    head, comma, last = typed.rpartition(",")
    return [f"{prefix}{head}{comma}{c}" for c in choices().get(key, ()) if c.startswith(last)]


Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings.", autocompletion=complete)
]


def expand_home(path: Any) -> Any:
    """A path, or its text, with `~` replaced by the user's home folder; as it is where there is none."""
    return type(path)(os.path.expanduser(path)) if path else path


Out = Annotated[Path, typer.Option("--out", help="Folder in which runs are kept.", callback=expand_home)]
Study = Annotated[str, typer.Option("--study", help="Name of the study; made from the command otherwise.")]
Jobs = Annotated[
    int,
    typer.Option(
        "-j",
        "--jobs",
        help="Runs at once; 0: cores divided by the threads of a run, on CUDA as many as its memory holds.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would run, and stop.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before more than 200 runs.")]
Force = Annotated[bool, typer.Option("--force", help="Train again what is there already.")]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first run that fails.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="The table as JSON on stdout.")]
Csv = Annotated[str, typer.Option("--csv", help="The table as CSV in a file; - for stdout.", callback=expand_home)]
Format = Annotated[str, typer.Option("--format", help="The table on stdout as md or latex.")]
Cols = Annotated[str, typer.Option("--cols", help="Columns of the table, separated by commas.")]
Sort = Annotated[str, typer.Option("--sort", help="Column to sort by; -column for descending.")]
Top = Annotated[int, typer.Option("--top", help="Only the first rows.", min=0)]
Tune = Annotated[
    str, typer.Option("--tune", metavar="KEY=VALUES", help="Search this setting for each arm first: lr=0.001,0.003.")
]
Search = Annotated[
    str, typer.Option("--search", metavar="random|bayes", help="Search the settings that are given several values.")
]
Trials = Annotated[int | None, typer.Option("--trials", help="Settings that a search tries; 40 by default.")]
Prune = Annotated[
    bool, typer.Option("--prune", help="Train short at first, and only the best third of a search for longer.")
]
Remedies = Annotated[bool, typer.Option("--remedies", help="Run the remedies of what is found, on fresh seeds.")]
Pictures = Annotated[str, typer.Option("--figures", help="Formats of the figures: png,svg,pdf; none draws none.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
ConfigDir = Annotated[
    Path | None, typer.Option("--config-dir", help="Folder searched for YAML files first.", callback=expand_home)
]


def version(value: bool) -> None:
    if value:
        print(f"stackattn {__version__}")
        raise typer.Exit


@app.callback()
def top_level(
    _: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version.")] = False,
) -> None:
    pass


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def guarded(action: Callable[[], int], debug: bool) -> None:
    """Runs an action; what a person did wrong becomes a message and an exit code, never a traceback."""
    code: int
    try:
        code = action()
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 0
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  the reader has gone; nothing more can be said
    except (ValueError, OSError) as error:
        if debug:
            raise
        code = exit_code(error)
        if getattr(error, "errno", None) == errno.ENOSPC:
            error = OSError(f"{error}; what is finished is kept: make room and run the command again")
        print("\n".join(f"error: {line}" for line in str(error).split("\n")), file=sys.stderr)
    raise typer.Exit(code)


def exit_code(error: Exception) -> int:
    """2 usage, 4 a study of that name differs, 5 a damaged file, 74 the disk."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if "ConflictError" in names:
        return 4
    if "CorruptionError" in names:
        return 5
    return 2 if isinstance(error, ValueError) else 74


def formats(text: str) -> tuple[str, ...]:
    """`--figures`: the formats; none where no figure is wanted. Raises ValueError for any other."""
    chosen = tuple(f.strip() for f in text.split(",") if f.strip())
    if chosen == ("none",):
        return ()
    if not chosen or set(chosen) - {"png", "svg", "pdf"}:
        raise ValueError(f"--figures {text}: choose from png, svg, pdf, or none")
    return chosen


def options(command: str, **given: Any) -> Any:
    """The Options of a command. Raises ValueError for what is out of range, and for a file that cannot be written."""
    from stackcli.files import check_target
    from stackcli.settings import Options

    jobs = given.pop("jobs")
    if not 0 <= jobs <= 1024:
        raise ValueError(f"-j {jobs}: 0 (cores divided by threads) to 1024")
    figures = formats(given.pop("figures"))
    trials = given.pop("trials", None)
    if (trials is not None or given.get("prune")) and not given.get("sampler"):
        raise ValueError("--trials and --prune belong to a search: write --search random or --search bayes")
    given |= {} if trials is None else {"trials": trials}
    if given["format"] not in ("", "md", "latex"):
        raise ValueError(f"--format {given['format']}: choose md or latex")
    if given["csv"] not in ("", "-"):
        check_target(Path(given["csv"]), "--csv")
    return Options(command=command, jobs=jobs or cores(), formats=figures, **given)


def at_once(made: Any, chosen: Any, jobs: int) -> Any:
    """The options with what `-j 0` means for these runs, or for what a search may try."""
    from dataclasses import replace

    from stackcli.checks import runs_at_once

    if jobs:
        return chosen
    configs = getattr(made, "configs", None) or made.corners(0)
    return replace(chosen, jobs=runs_at_once(configs, cores(), cuda_memory({c.device for c in configs})))


def cuda_memory(devices: set[str]) -> int | None:
    """Free bytes of the CUDA device, where runs use it and it is there."""
    if "cuda" not in devices:
        return None
    import torch

    return int(torch.cuda.mem_get_info()[0]) if torch.cuda.is_available() else None


def grid_of(overrides: list[str] | None, config_dir: Path | None, **how: Any) -> Any:
    from stackcli import config
    from stackcli.study import Arms

    return Arms.of_grid(config.grid(tuple(overrides or ()), config_dir=config_dir, **how))


def run(
    command: str, make: Callable[[], Any], debug: bool, config_dir: Path | None, experiment: str = "", **given: Any
) -> None:
    """The common path of train, sweep, ablate-depth and compare-pe; `make` gives the runs, or what a search may try."""

    def action() -> int:
        again = {
            "--study": given["study"],
            "--tune": given.get("tune", ""),
            "--search": given.get("sampler", ""),
            "--trials": given.get("trials"),
            "--prune": given.get("prune", False),
            "--remedies": given.get("remedies", False),
            "-j": given["jobs"] if command != "train" else 0,
            "--config-dir": str(config_dir or ""),
            "--out": str(given["out"]) if given["out"] != Path("outputs") else "",
        }
        words = ((option,) if value is True else (option, str(value)) for option, value in again.items() if value)
        asked = tuple(word for pair in words for word in pair)
        given["study"] = given["study"] or experiment
        chosen = dataclasses.replace(options(command, asked=asked, **given), config_dir=config_dir)
        way = "search" if chosen.sampler else "mending" if chosen.remedies else "tuning"
        made = make()
        code: int = import_module(f"stackcli.{way}").execute(made, at_once(made, chosen, given["jobs"]))
        return code

    guarded(action, debug)


@app.command(epilog="Example: stackattn train depth=4 pe=relative")
def train(
    overrides: Overrides = None,
    out: Out = Path("outputs"),
    study: Study = "",
    dry_run: DryRun = False,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
    csv: Csv = "",
    format: Format = "",
    cols: Cols = "",
    figures: Pictures = "png,svg",
    config_dir: ConfigDir = None,
    debug: Debug = False,
) -> None:
    """Train one stack, and look inside it."""
    given: dict[str, Any] = dict(out=out, study=study, dry_run=dry_run, force=force, quiet=quiet, jobs=1)
    given |= dict(json=json, csv=csv, format=format, cols=cols, figures=figures)
    run("train", lambda: grid_of(overrides, config_dir, single=True), debug, config_dir, **given)


def nothing() -> None:
    """The options of a command that has none of its own."""


def searching(search: Search = "", trials: Trials = None, prune: Prune = False) -> None:
    """The options of a search."""


def mending_too(remedies: Remedies = False) -> None:
    """The option of ablate-depth."""


def _many(
    command: str,
    make: Callable[[list[str] | None, Path | None], Any],
    doc: str,
    example: str,
    own: Callable[..., None] = nothing,
) -> None:
    """Registers one of the commands that train several runs; they differ in their axes, and in the options that the
    parameters of `own` are."""

    def many(
        overrides: Overrides = None,
        out: Out = Path("outputs"),
        study: Study = "",
        jobs: Jobs = 0,
        dry_run: DryRun = False,
        yes: Yes = False,
        force: Force = False,
        fail_fast: FailFast = False,
        quiet: Quiet = False,
        json: Json = False,
        csv: Csv = "",
        format: Format = "",
        cols: Cols = "",
        sort: Sort = "",
        top: Top = 0,
        figures: Pictures = "png,svg",
        tune: Tune = "",
        config_dir: ConfigDir = None,
        debug: Debug = False,
        experiment: Annotated[str, typer.Option("--experiment", help="Replay a recorded study by its name.")] = "",
        **more: Any,
    ) -> None:
        given = {k: v for k, v in locals().items() if k not in ("overrides", "config_dir", "debug", "experiment")}
        given = {k: v for k, v in given.items() if k not in ("make", "command", "more")}
        given |= {"sampler" if k == "search" else k: v for k, v in more.items()}
        if given.get("sampler"):
            run(command, lambda: space_of(overrides, config_dir, experiment), debug, config_dir, **given)
        elif experiment:
            run(command, lambda: replay(experiment, overrides, config_dir), debug, config_dir, experiment, **given)
        else:
            run(command, lambda: make(overrides, config_dir), debug, config_dir, **given)

    common = [p for p in signature(many).parameters.values() if p.kind is not p.VAR_KEYWORD]
    many.__signature__ = Signature([*common, *signature(own).parameters.values()])  # type: ignore[attr-defined]
    app.command(command, help=doc, epilog=f"Example: stackattn {example}")(many)


def space_of(overrides: list[str] | None, config_dir: Path | None, experiment: str) -> Any:
    """What a search may try."""
    from stackcli import config

    if experiment:
        raise ValueError("--search and --experiment: a recorded study is replayed as it was; write its settings out")
    return config.space(tuple(overrides or ()), config_dir=config_dir)


def replay(experiment: str, overrides: list[str] | None, config_dir: Path | None) -> Any:
    """The arms of a recorded study; further settings are added to each of them."""
    from dataclasses import replace

    from stackcli import config, fair
    from stackcli.study import Arms, read_experiment

    more = list(overrides or ())
    mine = {w.partition("=")[0] for w in more}
    recorded = read_experiment(experiment)
    arms = {name: [*(w for w in words if w.partition("=")[0] not in mine), *more] for name, words in recorded.items()}
    typed = ("--experiment", experiment, *more)
    if list(arms) == [""]:
        return replace(fair.arms(arms[""], config_dir), typed=typed)
    grids = {name: config.grid(tuple(words), config_dir=config_dir) for name, words in arms.items()}
    return Arms.of_experiment(grids, typed)


def matched(overrides: list[str] | None, config_dir: Path | None, presets: tuple[str, ...] = ()) -> Any:
    """The runs of sweep and ablate-depth, their depths matched where `match=` says so."""
    from stackcli import fair

    return fair.arms(tuple(overrides or ()), config_dir, presets)


def asked(overrides: list[str] | None, config_dir: Path | None) -> Any:
    """The runs of compare-pe."""
    from stackcli import questions

    return questions.arms(tuple(overrides or ()), config_dir)


_many(
    "sweep",
    lambda words, folder: matched(words, folder),
    "Train every combination, over several seeds. With --search, the settings that are worth trying instead.",
    "sweep depth=1,2,4,8,16",
    searching,
)
_many(
    "ablate-depth",
    lambda words, folder: matched(words, folder, presets=("depth=1,2,4,8,16", "residual=pre,post")),
    "Depth 1 to 16: what goes wrong, and what mends it. With pre-LN and post-LN, where residual= names no others; "
    "match=params or match=flops chooses dim and ff so that no depth is larger than another.",
    "ablate-depth depth=1,4,16",
    mending_too,
)
_many(
    "compare-pe",
    lambda words, folder: asked(words, folder),
    "Compare position encodings, paired by seed. On three data sets, where data= names no others; the first encoding "
    "named is the baseline.",
    "compare-pe pe=learned,sinusoidal,relative",
)


@app.command(epilog="Example: stackattn plot --list")
def plot(
    study: Annotated[str, typer.Argument(help="Name of a study; the newest otherwise.")] = "",
    figure: Annotated[list[str] | None, typer.Option("--figure", help="Only this figure; may be repeated.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Name the figures.")] = False,
    out: Out = Path("outputs"),
    figures: Pictures = "png,svg",
    debug: Debug = False,
) -> None:
    """Draw the figures of a study again, from its files."""

    def action() -> int:
        from stackcli import parts

        names = parts.names("figures")
        if list_:
            for name in names:
                print(f"{name:16} {parts.summary('figures', name)}")
            return 0
        for name in figure or ():
            check_choice("--figure", name, names)
        chosen = formats(figures)
        from stackcli.report import describe_edits, redraw

        if remark := describe_edits(out, study):
            print(remark, file=sys.stderr)
        for path in redraw(out, study, chosen, figure or ()):
            print(path)
        return 0

    guarded(action, debug)


def check_choice(what: str, given: str, allowed: Any) -> None:
    """Raises ValueError with a suggestion where a name is not among those allowed."""
    if given not in allowed:
        raise ValueError(f"{what} {given}: unknown{nearest(given, allowed, 'choose from ' + ', '.join(allowed))}")


@app.command(epilog='Example: stackattn predict 3f2a "Why does ice float on water?"')
def predict(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or its beginning.")],
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT...",
            help="Texts; of a run on data=conllu, CoNLL-U files. - reads them from stdin, a text a line.",
        ),
    ],
    out: Out = Path("outputs"),
    json: Annotated[bool, typer.Option("--json", help="A JSON object a text, with every answer's share.")] = False,
    debug: Debug = False,
) -> None:
    """Ask a trained run. A classifier answers with the classes of each text, a language model (data=text) with the
    tokens that come next; an answer a line, likeliest first."""

    def action() -> int:
        from stackcli.predict import edited_parts, remarks
        from stackcli.predict import predict as ask

        answers = ask(out, run_id, texts)
        for answer in answers:
            best = list(answer.shares.items())[:5]
            line = "  ".join(f"{visible(name)} {share:.3f}" for name, share in best)
            print_json(answer.row) if json else print(line)
        for remark in filter(None, [edited_parts(out, run_id), *remarks(answers)]):
            print(remark, file=sys.stderr)
        return 0

    guarded(action, debug)


def print_json(value: Any) -> None:
    """A value as JSON on stdout, whatever encoding that has."""
    from stackcli.record import dumps

    print(dumps(value, ascii_only=True))


def visible(name: str) -> str:
    """A name as it can stand in a line: a space, a line end and the like in quotes."""
    return name if name.isprintable() and name.strip() else repr(name)


@app.command(epilog="Example: stackattn check pe=sinusoidal data.max_len=64")
def check(
    overrides: Overrides = None,
    out: Out = Path("outputs"),
    json: Json = False,
    figures: Pictures = "png,svg",
    config_dir: ConfigDir = None,
    debug: Debug = False,
) -> None:
    """Certify a position encoding, property by property. With the evidence of each."""

    def action() -> int:
        from stackcli import config
        from stackcli.certified import show

        grid = config.grid(tuple(overrides or ()), single=True, config_dir=config_dir)
        return show(grid.configs[0], out, json=json, formats=formats(figures))

    guarded(action, debug)


@app.command(epilog="Example: stackattn probe depth=1,2,4,8,16 residual=pre,post,deepnorm")
def probe(
    overrides: Overrides = None,
    out: Out = Path("outputs"),
    study: Study = "",
    jobs: Jobs = 0,
    quiet: Quiet = False,
    json: Json = False,
    csv: Csv = "",
    figures: Pictures = "png,svg",
    config_dir: ConfigDir = None,
    debug: Debug = False,
    experiment: Annotated[str, typer.Option("--experiment", help="Replay a recorded study by its name.")] = "",
) -> None:
    """The depth check before any training. Signal, gradients and first step of stacks of depth 1 to 128, the slopes
    over depth beside theory, and the deepest stack that can be expected to train."""
    given: dict[str, Any] = dict(out=out, study=study or experiment, jobs=jobs, quiet=quiet, json=json, csv=csv)

    def action() -> int:
        from stackcli import probing

        chosen = options("probe", **given, format="", figures=figures)
        if experiment:
            made = replay(experiment, overrides, config_dir)
        else:
            made = matched(overrides, config_dir, presets=probing.PRESETS)
        return probing.execute(made, at_once(made, chosen, jobs))

    guarded(action, debug)


@app.command("list", epilog="Example: stackattn list pe")
def list_parts(
    group: Annotated[
        str, typer.Argument(help="pe, residual, norm, attention, init, data, settings or experiments.")
    ] = "",
    overrides: Overrides = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """The choices of a group, settings, recorded studies. `list pe dim=128` tells the cost at another size."""

    def action() -> int:
        from stackcli import config, experiments, parts
        from stackcli.settings import GROUPS

        if group:
            check_choice("list", group, (*GROUPS, "settings", "experiments"))
        if group == "pe":
            return encodings(overrides, json)
        if group == "settings":
            print(config.describe())
        elif group == "experiments":
            print("\n".join(experiments.names()))
        for name in (group,) if group in GROUPS else () if group else GROUPS:
            print(name)
            for choice in parts.names(name):
                print(f"  {choice:12} {parts.summary(name, choice)}")
        return 0

    guarded(action, debug)


def encodings(overrides: list[str] | None, json: bool) -> int:
    """`list pe`; it makes every encoding to count its parameters, and so needs PyTorch."""
    from rich.console import Console

    from stackcli import catalogue, config

    sizes = config.grid(tuple(overrides or ()), single=True).configs[0]
    found = catalogue.entries(sizes)
    if json:
        print_json([entry._asdict() for entry in found])
    else:
        Console().print(catalogue.table(found, sizes))
    return 0


@app.command(epilog="Example: stackattn runs")
def runs(out: Out = Path("outputs"), json: Json = False, debug: Debug = False) -> None:
    """The runs that are kept, newest first. With the studies that they belong to."""

    def action() -> int:
        from stackcli.store import Store

        store = Store(out, create=False)
        for run_id in store.ids():
            flat, result = store.config(run_id).flat(), store.result(run_id)
            row = {"run": run_id, **{k: flat[k] for k in ("data", "depth", "pe", "residual", "seed")}}
            row |= {k: result[k] for k in ("status", "test_acc")}
            acc = "" if row["test_acc"] is None else f"{row['test_acc']:.3f}"
            words = (
                f"data={row['data']} depth={row['depth']} pe={row['pe']} residual={row['residual']} seed={row['seed']}"
            )
            edited = store.changed(run_id)
            words += f"  ({', '.join(edited)} edited since)" if edited else ""
            print_json({**row, "edited": edited}) if json else print(f"{run_id}  {row['status']:8} {acc:5}  {words}")
        if not json:
            print("studies: " + (", ".join(store.studies()) or "none"), file=sys.stderr)
        return 0

    guarded(action, debug)


@app.command(epilog="Example: stackattn verify")
def verify(out: Out = Path("outputs"), debug: Debug = False) -> None:
    """Read every file of every run, and check the hashes."""

    def action() -> int:
        from stackcli.store import Store

        store = Store(out, create=False)
        wrong = store.verify()
        for line in wrong:
            print(line)
        print(f"{counted(len(store.ids()), 'runs')}, {counted(len(wrong), 'faults')}", file=sys.stderr)
        return 5 if wrong else 0

    guarded(action, debug)


def main() -> None:
    """Parses sys.argv and runs the command; raises SystemExit. `--depth 4` is answered with what to type."""
    words = sys.argv[1:]
    known = set(GROUP_AND_KEYS)
    for word, after in pairwise([*words[: words.index("--") if "--" in words else None], "..."]):
        name = word[2:].partition("=")[0]
        if word.startswith("--") and name in known:
            value = word.partition("=")[2] or after
            print(f"error: {word}: settings are bare words; write {name}={value}", file=sys.stderr)
            raise SystemExit(2)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # no output fails for want of a character
    app(texts_last(words) if words[:1] == ["predict"] else words)


def texts_last(words: list[str]) -> list[str]:
    """The words of `predict`, options first: a text may begin with `-`, and is taken for an option only where it is
    one of them or begins with `--` and has no white space."""
    options, texts, rest = ["predict"], list[str](), iter(words[1:])
    for word in rest:
        if word == "--":
            texts += rest
        elif word == "--out":
            options += [word, *([value] if (value := next(rest, None)) is not None else [])]
        elif word == "-h" or (word.startswith("--") and len(word.split()) == 1):
            options.append(word)
        else:
            texts.append(word)
    return [*options, "--", *texts] if texts else options


GROUP_AND_KEYS = (
    *("depth", "dim", "heads", "ff", "dropout", "causal", "mask", "epochs", "steps", "batch", "lr", "schedule"),
    *("warmup", "weight_decay", "clip", "label_smoothing", "patience", "seed", "seeds", "threads", "device", "kernel"),
    *("pad", "embed_std", "probes", "keep", "attention_dropout", "layer_drop", "share_layers"),
    *("pe", "residual", "norm", "attention", "init", "data", "match", "match_depth"),
)
