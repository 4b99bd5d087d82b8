"""The command that a user would type after a study, with the user's own data and settings. Never loads PyTorch."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stackcli.config.settings import Options

DEPTHS = {"depth": "1,2,4,8,16"}
ENCODINGS = {"pe": "learned,sinusoidal,relative"}
OTHERS = ("match", "match_depth", "tune")  # words that compare-pe does not know


def next_command(frames: Any, options: Options) -> str:
    """Returns the next step as a command that runs as printed.

    After one run: ask it about a text of its own test part, or sweep depth. After several: the seeds that a claim
    needs, then what helps against what was found, then the page; what helps comes first after ablate-depth, and where
    runs diverged."""
    from stackcli.analysis.certainty import seeds_for_claim

    if "arm" in frames.axes or frames.command in ("remedies", "search", "halving"):
        return _command(["report", frames.study], options)
    words = dict(word.partition("=")[::2] for word in frames.overrides if not word.startswith("-"))
    if frames.command == "train":
        return _after_run(frames, words, options)
    remedy, need = _remedy(frames, words, options), seeds_for_claim(frames)
    if remedy and (frames.command == "ablate-depth" or not need or (frames.runs["status"] == "diverged").any()):
        return remedy
    if need:
        several = {"seed": None} if "," in words.get("seed", "") or "(" in words.get("seed", "") else {}
        changed = _change(words, {**several, "seeds": str(need)})
        return _line([frames.command, *changed, *_without(options.asked, "--remedies")])
    if frames.command == "ablate-depth":
        kept = {key: value for key, value in words.items() if key not in (*frames.axes, *OTHERS)}
        own = {key: None for key in kept if key.partition(".")[0] == "pe"}
        return _command(["compare-pe", *_change(kept, {**own, **ENCODINGS})], options)
    return _command(["report", frames.study], options)


def _after_run(frames: Any, words: Mapping[str, str], options: Options) -> str:
    done = frames.runs[frames.runs["status"] == "done"]
    if done.empty:
        return _remedy(frames, words, options) or _command(["sweep", *_change(words, DEPTHS)], options)
    run = done.iloc[0]
    facts = frames.facts_of(done)
    if run["data"] == "conllu":
        return _command(["predict", run["run"], run.get("data.test_path") or run["data.path"]], options)
    if facts.get("example") and run.get("keep") != "none":
        return _command(["predict", run["run"], facts["example"]], options)
    return _command(["sweep", *_change(words, DEPTHS)], options)


def _remedy(frames: Any, words: Mapping[str, str], options: Options) -> str:
    """Returns the command that tries what helps against the worst of what was found; empty where nothing was."""
    from stackcli.analysis.findings import findings, worst_points
    from stackcli.analysis.findings_text import rerun_command

    found = worst_points(findings(frames), frames.runs)
    if not found:
        return ""
    if frames.command == "ablate-depth":
        asked = _without(options.asked, "--remedies", "--study")
        return _line(["ablate-depth", *_change(words, {}), *asked, "--remedies"])
    return rerun_command(frames, found[0].point, found[0].remedies[0].words) + name_place(options)


def _change(words: Mapping[str, str], changed: Mapping[str, str | None]) -> list[str]:
    """Returns the words with some values changed, and without those that become None."""
    return [f"{key}={value}" for key, value in {**changed, **words, **changed}.items() if value is not None]


def _without(asked: Sequence[str], *options: str) -> list[str]:
    """Returns the options typed without some of them and their values."""
    out, skip = list[str](), False
    for i, word in enumerate(asked):
        if skip:
            skip = False
        elif word in options:
            skip = i + 1 < len(asked) and not asked[i + 1].startswith("-")
        else:
            out.append(word)
    return out


def _command(words: Iterable[str], options: Options) -> str:
    return _line(words) + name_place(options)


def _line(words: Iterable[str]) -> str:
    return " ".join(["stackattn", *map(quote_word, words)])


def name_place(options: Options) -> str:
    """Returns the options that say where runs are kept and parts are found."""
    out = ["--out", str(options.out)] if str(options.out) != "outputs" else []
    out += ["--config-dir", str(options.config_dir)] if options.config_dir else []
    return "".join(f" {quote_word(word)}" for word in out)


def quote_word(word: str) -> str:
    """Quotes a word for a shell, where it needs quotes; with double quotes where they are enough.

    >>> quote_word("depth=1,2"), quote_word("What's that?"), quote_word("$x")
    ('depth=1,2', '"What\'s that?"', "'$x'")
    """
    quoted = shlex.quote(word)
    return quoted if quoted == word or set('$`\\"!\n').intersection(word) else f'"{word}"'
