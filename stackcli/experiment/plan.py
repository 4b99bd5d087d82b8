"""Which runs exist already, which are to be trained, and whether they can be."""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stackcli.common import registry
from stackcli.common.records import Facts
from stackcli.config.settings import Config, Part
from stackcli.experiment import part_source as source
from stackcli.experiment.identity import NUMERICS_VERSION, digest, part_sources, run_id
from stackcli.experiment.store import Store

OPERATIONS_A_SECOND = 5e10  # floating-point, of one thread in training: a guess, for --dry-run and the order of runs


@dataclass(frozen=True)
class Job:
    """One run to be done."""

    run: str
    config: Config
    store: Path
    reproduce: str
    content: str  # fingerprint of the data that was planned with
    source: Mapping[str, str]  # of the parts
    replace: bool = False
    test: bool = True  # whether the test part is read


@dataclass(frozen=True)
class Plan:
    """What a command will do: every run of the study in order, and which of them are still to be trained, the longest
    first, so that no worker stands idle while a long one ends."""

    ids: tuple[str, ...]
    configs: tuple[Config, ...]
    todo: tuple[Job, ...]
    facts: Mapping[Part, Mapping[str, Any]]
    facts_keys: Mapping[Part, str]

    @property
    def cached(self) -> int:
        return len(set(self.ids)) - len(self.todo)


def plan(
    configs: Sequence[Config],
    store: Store,
    *,
    force: bool = False,
    test: bool = True,
    soon: Callable[[], None] = lambda: None,
) -> Plan:
    """Reads each data set once; without `test` the runs never see the test part. Raises DataError for data that cannot
    be used, ValueError for a device that is not there and for sizes that a part refuses. `soon` is called as soon as it
    is known that something will be trained."""
    check_device({c.device for c in configs})
    made = {
        data: registry.build_part("data", data.name, **data.options) for data in dict.fromkeys(c.data for c in configs)
    }
    prints = {data: fingerprint(data, one) for data, one in made.items()}
    ids = tuple(run_id(c, prints[c.data], test=test) for c in configs)
    todo: dict[str, Job] = {}
    for run, config in zip(ids, configs, strict=True):
        if force or not store.finished(run, config.keep):
            told = reproduce(config), prints[config.data], part_sources(config)
            todo[run] = Job(run, config, store.root, *told, replace=force, test=test)
    if todo:
        soon()
    facts: dict[Part, Mapping[str, Any]] = {}
    keys: dict[Part, str] = {}
    for data, one in made.items():
        keys[data], facts[data] = data_facts(data, one, prints[data], store)
    for config in configs:
        check_fit(config, facts[config.data])
    check_parts((job.config, facts[job.config.data]) for job in todo.values())
    longest_first = sorted(todo.values(), key=lambda j: -estimate(j.config, facts[j.config.data]["sizes"]["train"]))
    return Plan(ids, tuple(configs), tuple(longest_first), facts, keys)


def fingerprint(data: Part, made: Any) -> str:
    """Of the data's content. Raises PartError where the code of an installed part fails."""
    with registry.blame_part("data", data.name):
        return str(made.fingerprint())


def estimate(config: Config, examples: int) -> float:
    """Seconds of a run, roughly: three times the forward pass of 32 tokens a sequence, and 2 ms a block and step."""
    steps = config.steps or config.epochs * -(-examples // config.batch)
    work = 3 * config.depth * 32 * config.batch * (8 + 4 * config.ff) * config.dim**2
    return float(steps * (work / OPERATIONS_A_SECOND + 0.002 * config.depth + 0.003) + 0.5)


def check_device(devices: set[str]) -> None:
    """Raises ValueError where a device is asked for that this machine lacks."""
    if devices == {"cpu"}:
        return
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    for device in sorted(devices):
        if not there[device]:
            raise ValueError(f"device={device}: not there; this machine has {', '.join(d for d in there if there[d])}")


def check_fit(config: Config, facts: Mapping[str, Any]) -> None:
    """Raises ValueError for settings that do not go with the data."""
    size = facts["sizes"]["train"]
    if config.batch > size:
        raise ValueError(f"batch={config.batch}: larger than the training part ({size} sequences); write batch={size}")
    options, longest = config.pe.options, facts.get("max_len", 0)
    if options.get("randomised") and options["range"] < longest:
        raise ValueError(f"pe.range={options['range']}: the longest input has {longest} positions; pe.range={longest}")
    if facts.get("vectors") not in (None, config.dim):
        raise ValueError(
            f"the word vectors have {facts['vectors']} numbers each: dim={facts['vectors']}, not {config.dim}"
        )
    if facts.get("causal") and not config.causal:
        raise ValueError(f"data={config.data.name} asks for what comes next, which the model must not see: causal=true")


def check_parts(jobs: Iterable[tuple[Config, Mapping[str, Any]]]) -> None:
    """Makes every combination of parts once, without the model around them, so that sizes that do not fit are known
    before the first run. Raises ValueError with all of them."""
    distinct = {
        (c.dim, c.heads, c.pe, c.residual, c.norm, c.attention, c.init, c.data, c.layer_drop > 0): (c, facts)
        for c, facts in jobs
    }
    if not distinct:
        return
    from stackcli.model.build import try_parts

    problems: dict[str, None] = {}
    for config, facts in distinct.values():
        try:
            if registry.load_part("pe", config.pe.name).needs_tree and not facts.get("tree"):
                why = (
                    f": {reason}; parse the sentences, or choose another pe"
                    if (reason := facts.get("treeless"))
                    else ""
                )
                raise ValueError(
                    f"pe={config.pe.name} needs data that carry a tree, which data={config.data.name} lack{why}"
                )
            try_parts(config)
        except ValueError as error:
            problems[str(error)] = None
    if problems:
        raise ValueError("\n".join(problems))


def data_facts(data: Part, made: Any, content: str, store: Store) -> tuple[str, Mapping[str, Any]]:
    """(key, facts) of a data set; `keep_facts` keeps the facts, baselines included, under their key."""
    options = data.placeless
    own = {"source": source.fingerprint("data", data.name), "numerics": NUMERICS_VERSION}
    own |= {k: v for k, v in data.keys if k == "encoding"}  # in the notices
    key = digest({"name": data.name, "content": content, **options, **own})
    facts = store.facts(key)
    if facts is None:
        from stackcli.training.baselines import facts as work_out

        with registry.blame_part("data", data.name):
            loaded = made.load()
        found: Facts = work_out(data.name, content, loaded)
        facts = asdict(found)
    return key, facts


def keep_facts(plan: Plan, store: Store) -> None:
    """So that the next command need not work them out."""
    for data, key in plan.facts_keys.items():
        if store.facts(key) is None:
            store.save_facts(key, plan.facts[data])


def reproduce(config: Config) -> str:
    """The one line that trains this run again."""
    words = [f"{key}={quote_value(value)}" for key, value in config.flat().items()]
    return "stackattn train " + " ".join(shlex.quote(w) for w in words)


PLAIN = re.compile(r"(?!(?i:true|false|null|nan|inf)$)[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)


def quote_value(value: Any) -> str:
    """A value as Hydra's grammar reads it back: text that could be anything else is quoted."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not PLAIN.fullmatch(value):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)
