"""The plan of a command: which runs exist, which must be trained, and whether they can be."""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from stackcli.common import registry
from stackcli.common.records import Facts
from stackcli.config.settings import GROUPS, Config, Part
from stackcli.config.text_values import text_keys, write_override
from stackcli.data.base import Loaded
from stackcli.experiment import parallel_plan, part_source
from stackcli.experiment.identity import NUMERICS_VERSION, digest, part_sources, run_id
from stackcli.experiment.run_trackers import Reporting
from stackcli.experiment.store import Store

OPERATIONS_A_SECOND = 5e10  # floating-point, of one thread in training, roughly: for --dry-run and the order


@dataclass(frozen=True)
class Job:
    """A run to train."""

    run: str
    config: Config
    store: Path
    reproduce: str
    content: str  # fingerprint of the data when the run was planned
    source: Mapping[str, str]  # group -> hash of the source of its part
    replace: bool = False
    test: bool = True  # whether the run reads the test part
    loaded: Loaded | None = field(default=None, compare=False, repr=False)  # the data, where they are loaded already
    reporting: Reporting | None = field(default=None, compare=False, repr=False)

    @property
    def shares(self) -> bool:
        """Whether other runs may come after this one in its process, because it leaves nothing there that could change
        their bits. PyTorch keeps compiled code and the state of a GPU, and what the module of an installed part keeps
        is not known."""
        c = self.config
        own = all(registry.built_in(group, name) for group in GROUPS for name in c.kinds(group))
        return own and c.device == "cpu" and c.compile is not True and c.devices == 1


@dataclass(frozen=True)
class Plan:
    """What a command will do: every run of the study in order, and the runs that must still be trained, the longest
    first, so that no worker is idle while a long run ends."""

    ids: tuple[str, ...]
    configs: tuple[Config, ...]
    todo: tuple[Job, ...]
    facts: Mapping[Part, Mapping[str, Any]]
    facts_keys: Mapping[Part, str]
    load: Mapping[Part, Callable[[], Loaded]] = field(default_factory=dict)  # each loads a data set, once

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
    here: bool = True,
) -> Plan:
    """Plans runs; reads each data set once. `force`: train runs that exist too; `test`: whether the runs read the test
    part; `soon`: called as soon as it is known that something will be trained; `here`: whether this machine trains
    them, and so needs their device. Raises DataError for data that cannot be used, CorruptionError for damaged runs,
    ValueError for a device that this machine lacks and for sizes that a part refuses."""
    if here:
        check_device({c.device for c in configs})
        parallel_plan.check_devices(configs)
    sources = {
        data: registry.build_part("data", data.name, **data.options) for data in dict.fromkeys(c.data for c in configs)
    }
    prints = {data: fingerprint(data, source) for data, source in sources.items()}
    load = {data: cache(source.load) for data, source in sources.items()}
    ids = tuple(run_id(c, prints[c.data], test=test) for c in configs)
    todo: dict[str, Job] = {}
    if not force:  # first, so that every damaged run is named and not the first alone
        store.check_runs(run for run in ids if store.finished(run))
    missing = {
        run: config for run, config in zip(ids, configs, strict=True) if force or not store.finished(run, config.keep)
    }
    if not force:
        contents = {run: (config, prints[config.data]) for run, config in missing.items()}
        parallel_plan.check_checkpoints(contents, store, test=test)
    for run, config in missing.items():
        details = reproduce(config), prints[config.data], part_sources(config)
        todo[run] = Job(run, config, store.root, *details, replace=force, test=test)
    if todo:
        soon()
    facts: dict[Part, Mapping[str, Any]] = {}
    keys: dict[Part, str] = {}
    for data in sources:
        keys[data], facts[data] = data_facts(data, load[data], prints[data], store)
    for config in configs:
        check_fit(config, facts[config.data])
    check_parts((job.config, facts[job.config.data]) for job in todo.values())
    longest_first = sorted(todo.values(), key=lambda j: -estimate(j.config, facts[j.config.data]["sizes"]["train"]))
    return Plan(ids, tuple(configs), tuple(longest_first), facts, keys, load)


def fingerprint(data: Part, source: Any) -> str:
    """Returns the fingerprint of the content of the data. Raises PartError where the code of an installed part
    fails."""
    with registry.blame_part("data", data.name):
        return str(source.fingerprint())


def estimate(config: Config, examples: int) -> float:
    """Estimates the seconds of a run: three forward passes of sequences of 32 tokens, and 2 ms per block, in each pass
    of each step."""
    steps = (config.steps or config.epochs * -(-examples // config.batch)) * passes_of(config)
    work = 3 * config.depth * 32 * config.batch * (8 + 4 * config.ff) * config.dim**2
    return float(steps * (work / OPERATIONS_A_SECOND + 0.002 * config.depth + 0.003) + 0.5)


def passes_of(config: Config) -> int:
    """Returns the forward-backward passes for each step of the stack, those of a teacher's training included."""
    passes = trainings_of(config)
    if not config.is_off("adversarial"):
        part = registry.build_part("adversarial", config.adversarial.name, **config.adversarial.options)
        passes *= int(part.passes)
    return passes


def trainings_of(config: Config) -> int:
    """Returns how many stacks a run trains: its own, and that of a teacher."""
    if config.is_off("distill"):
        return 1
    part = registry.build_part("distill", config.distill.name, **config.distill.options)
    return 1 + int(part.teachers)


def job_estimates(plan: Plan) -> list[float]:
    """Estimates the seconds of each run that is to be trained."""
    return [estimate(job.config, plan.facts[job.config.data]["sizes"]["train"]) for job in plan.todo]


def check_device(devices: set[str]) -> None:
    """Raises ValueError for a device that this machine lacks."""
    if devices == {"cpu"}:
        return
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    for device in sorted(devices):
        if not there[device]:
            raise ValueError(
                f"device={device}: {device.upper()} is not available; use device={next(d for d in there if there[d])}"
            )


def check_fit(config: Config, facts: Mapping[str, Any]) -> None:
    """Raises ValueError for settings that do not fit the data."""
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
        raise ValueError(
            f"data={config.data.name} needs causal=true: it asks for the next token, which the model must not see"
        )
    if not config.is_off("distill") and facts.get("every"):
        from stackcli.training.teacher import describe_many_answers

        raise ValueError(describe_many_answers(config))
    if config.word_dropout and not facts.get("unknown", True):  # facts of before have no such field
        from stackcli.training.batching import describe_no_unknown

        raise ValueError(describe_no_unknown(config))


TOGETHER = ("dim", "heads", "ff", "causal", "share_layers", "kernel", "device", "batch", "compile")
DECIDING = (*GROUPS, *TOGETHER, "devices", "parallel", "accumulate")  # settings that may not fit together


def check_parts(jobs: Iterable[tuple[Config, Mapping[str, Any]]]) -> None:
    """Builds every combination of parts once, without the rest of the model, so that sizes that do not fit are found
    before the first run. Raises ValueError that names all of them."""
    distinct = {
        (tuple(getattr(c, name) for name in DECIDING), c.layer_drop > 0, c.attention_dropout > 0): (c, facts)
        for c, facts in jobs
    }
    if not distinct:
        return
    from stackcli.model.compatibility import try_parts

    problems: dict[str, None] = {}
    for config, facts in distinct.values():
        try:
            trees = [name for name in config.kinds("pe") if registry.load_part("pe", name).needs_tree]
            if trees and not facts.get("tree"):
                why = (
                    f": {reason}; parse the sentences, or choose another pe"
                    if (reason := facts.get("treeless"))
                    else ""
                )
                raise ValueError(f"pe={trees[0]} needs data that carry a tree, which data={config.data.name} lack{why}")
            try_parts(config)
        except ValueError as error:
            problems[str(error)] = None
    if problems:
        raise ValueError("\n".join(problems))


def with_data(plan: Plan) -> list[Job]:
    """Returns the runs to train with their data, so that no worker has to read and tokenise them again."""
    found: dict[Part, Loaded | None] = {}
    for job in plan.todo:
        data = job.config.data
        if data not in found:
            found[data] = load_unchanged(data, plan.load[data], job.content) if data in plan.load else None
    return [replace(job, loaded=found[job.config.data]) for job in plan.todo]


def load_unchanged(data: Part, load: Callable[[], Loaded], content: str) -> Loaded | None:
    """Returns the data; None if they cannot be loaded now or are no longer those that were planned, which the worker
    then reports."""
    try:
        loaded = load()
        after = registry.build_part("data", data.name, **data.options).fingerprint()
    except Exception:
        return None
    return loaded if after == content else None


def data_facts(data: Part, load: Callable[[], Loaded], content: str, store: Store) -> tuple[str, Mapping[str, Any]]:
    """Returns (key, facts) of a data set, baselines included, from the store or worked out; `keep_facts` stores
    them."""
    options = data.placeless
    own = {"source": part_source.fingerprint("data", data.name), "numerics": NUMERICS_VERSION}
    own |= {k: v for k, v in data.keys if k == "encoding"}  # which the notices mention
    key = digest({"name": data.name, "content": content, **options, **own})
    facts = store.facts(key)
    if facts is None:
        from stackcli.training import baselines

        with registry.blame_part("data", data.name):
            loaded = load()
        found: Facts = baselines.facts(data.name, content, loaded)
        facts = asdict(found)
    return key, facts


def keep_facts(plan: Plan, store: Store) -> None:
    """Stores the facts of the data, so that the next command need not work them out."""
    for data, key in plan.facts_keys.items():
        if store.facts(key) is None:
            store.save_facts(key, plan.facts[data])


def typed_settings(config: Config) -> dict[str, Any]:
    """Returns every setting of a run as it can be typed: only one of `steps` and `epochs`."""
    return {key: value for key, value in config.flat().items() if key != ("epochs" if config.steps else "steps")}


def reproduce(config: Config) -> str:
    """Returns the command that trains this run again."""
    words = [write_setting(key, value) for key, value in typed_settings(config).items()]
    return "stackattn train " + " ".join(shlex.quote(w) for w in words)


PLAIN = re.compile(r"(?!(?i:true|false|null|nan|inf)$)[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)


def write_setting(key: str, value: Any) -> str:
    """Returns a setting as it is typed, without quotes of a shell. Texts such as paths are read as they are, all other
    values by Hydra."""
    return write_override(key, value) if key in text_keys() else f"{key}={quote_value(value)}"


def quote_value(value: Any) -> str:
    """Returns a value as Hydra reads it back: text that would be read as another type is quoted."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not PLAIN.fullmatch(value):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)
