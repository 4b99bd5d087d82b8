"""Attacks on a trained run: what each attack makes of the items that were answered rightly, beside random changes of
the same size, and what a stack that is built afresh answers to the inputs that were saved.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackcli.common import registry
from stackcli.common.atomic_files import write_json
from stackcli.config.attack_settings import AskedAttacks
from stackcli.experiment import adversarial_sets
from stackcli.experiment.adversarial_sets import REPORT
from stackcli.experiment.attacked_run import AttackedItem, AttackedRun
from stackcli.experiment.serialization import hashes

if TYPE_CHECKING:
    from stackcli.attack.base import Attack, Attempt, Case, Sample
    from stackcli.diagnostics.attacked_stack import AttackedStack

GROUP = "attack"
Say = Callable[[str], object]


@dataclass(frozen=True)
class Attacked:
    """An item under one attack at one budget. before, after, control: the texts that are typed; of an attack on vectors
    the tokens whose vectors are nearest. truth: the true class of the changed input, label that of the item. said:
    answers of the stack built afresh, to the input with what the attack adds that cannot be typed; typed: to the text
    alone; searched: the answer that the attack itself saw. moved: positions by which the input is shifted; unmoved:
    whether an attack on vectors found a gradient of 0 and added nothing."""

    item: int
    label: int
    truth: int
    before: str
    after: str
    searched: int
    said: int
    typed: int
    queries: int
    control: str
    control_truth: int
    control_said: int
    moved: int = 0
    unmoved: bool = False


@dataclass(frozen=True)
class Finding:
    """An attack at one budget: its records for the items that were right before. budget None: it has none."""

    attack: str
    budget: float | None
    records: tuple[Attacked, ...]


@dataclass(frozen=True)
class Chosen:
    """The items that a run is attacked on, and those left out because their text is read as other tokens when it is
    written anew."""

    items: int
    unwritable: int


class Attacker:
    """Attacks the items of a run. folder: where the inputs that attacks make are saved."""

    def __init__(self, attacked: AttackedRun, items: Sequence[AttackedItem], asked: AskedAttacks, folder: Path) -> None:
        self.attacked, self.asked, self.folder = attacked, asked, folder
        self.victim = attacked.victim()
        texts = [" ".join(item.tokens) for item in items]
        again = attacked.read(texts)
        kept = [i for i, item in enumerate(items) if again[i] == self.victim.ids(self.sample(item))]
        self.items = [items[i] for i in kept]
        said = attacked.answer_afresh([texts[i] for i in kept], [self.sample(item) for item in self.items])
        self.right = [item for item, answer in zip(self.items, said, strict=True) if answer == item.label]
        self.chosen = Chosen(len(self.items), len(items) - len(kept))
        self.methods, self.refused = self.build_methods()

    def sample(self, item: AttackedItem) -> "Sample":
        from stackcli.attack.base import Sample

        return Sample(item.tokens, tree=item.tree)

    def build_methods(self) -> tuple[dict[str, "Attack"], dict[str, str]]:
        """Returns the attacks that go with the run, and why each of the others does not. Raises ValueError for the
        others where the attacks were named."""
        methods, refused = {}, {}
        for name, keys in self.asked.methods.items():
            method: Attack = registry.build_part(GROUP, name, **keys)
            check_budgets(name, method, self.asked.budgets)
            why = self.why_not(method)
            if why and self.asked.strict:
                raise ValueError(f"attack={name}: {why}")
            refused.update({name: why} if why else {})
            methods.update({} if why else {name: method})
        return methods, refused

    def why_not(self, method: "Attack") -> str:
        """Says why an attack does not go with the run; empty where it does."""
        data = f"data={self.attacked.run.config.data.name}"
        if method.needs_words and not self.attacked.words:
            return f"it changes the letters of words, and {data} has no words"
        if not method.keeps_length and any(item.tree for item in self.items):
            return f"it changes the number of tokens, and those of {data} have trees"
        return ""

    def mean_norm(self) -> float:
        """The mean L2 norm of all token vectors of an item together: a scale for attacks on vectors."""
        norms = [float(self.victim.vectors_of(self.sample(item)).norm()) for item in self.right]
        return sum(norms) / max(1, len(norms))

    def attack(self, name: str, method: "Attack") -> list[Finding]:
        """Returns what one attack does at each budget."""
        from stackcli.attack.base import Case

        budgets = (self.asked.budgets or method.budgets) if method.budgeted else (1.0,)
        cases = [Case(self.sample(item), item.label) for item in self.right]
        attempts = method.run(self.victim, cases, budgets) if cases else [[] for _ in budgets]
        controls = method.draw(self.victim, cases, budgets) if cases else [[] for _ in budgets]
        out = []
        for budget, tried, control in zip(budgets, attempts, controls, strict=True):
            label = name if not method.budgeted else f"{name}-{budget:g}"
            records = self.records(label, cases, tried, control)
            out.append(Finding(name, budget if method.budgeted else None, tuple(records)))
        return out

    def records(
        self, name: str, cases: Sequence["Case"], attempts: Sequence["Attempt"], controls: Sequence["Sample"]
    ) -> list[Attacked]:
        """Returns the records of one attack at one budget. The inputs are saved, read again and answered afresh."""
        samples = [attempt.sample for attempt in attempts]
        texts, control_texts = self.typed_texts(samples), [" ".join(sample.tokens) for sample in controls]
        saved = adversarial_sets.save_set(self.folder, name, samples, [case.label for case in cases])
        said = self.attacked.answer_afresh(*adversarial_sets.read_set(saved))
        plain = [replace(sample, first=0, added=None) for sample in samples]
        untyped = any(sample.first or sample.added is not None for sample in samples)
        typed = self.attacked.answer_afresh(texts, plain) if untyped else said
        control_said = self.attacked.answer_afresh(control_texts, controls)
        searched = self.victim_answers(samples)
        return [
            Attacked(
                item=item.number,
                label=item.label,
                truth=self.truth(samples[i], item.label),
                before=" ".join(item.tokens),
                after=texts[i],
                searched=searched[i],
                said=said[i],
                typed=typed[i],
                queries=attempts[i].queries,
                control=control_texts[i],
                control_truth=self.truth(controls[i], item.label),
                control_said=control_said[i],
                moved=samples[i].first,
                unmoved=is_unmoved(samples[i]),
            )
            for i, item in enumerate(self.right)
        ]

    def truth(self, sample: "Sample", label: int) -> int:
        found = self.victim.true_class(sample, label)
        return label if found is None else found

    def victim_answers(self, samples: Sequence["Sample"]) -> list[int]:
        """The answers that the attack saw, which are not counted as queries."""
        before = self.victim.queries
        found = self.victim.logits(samples).argmax(-1).tolist() if samples else []
        self.victim.queries = before
        return list(found)

    def typed_texts(self, samples: Sequence["Sample"]) -> list[str]:
        """The text of each input as it would be typed: with vectors added, the tokens whose vectors are nearest."""
        return [" ".join(nearest_tokens(self.victim, sample)) for sample in samples]


def check_budgets(name: str, method: "Attack", budgets: Sequence[float]) -> None:
    """Raises ValueError for a budget that counts tokens and is neither a whole number nor a share."""
    for budget in budgets:
        if method.counted and method.budgeted and budget > 1 and budget != int(budget):
            raise ValueError(
                f"attack.budget={budget:g}: the budget of attack={name} is a number of {method.unit}, a whole number, "
                "or a share of the tokens below 1"
            )


def is_unmoved(sample: "Sample") -> bool:
    """Whether an attack on vectors added nothing."""
    return sample.added is not None and not bool(sample.added.any())


def nearest_tokens(victim: "AttackedStack", sample: "Sample") -> tuple[str, ...]:
    """Returns the tokens whose vectors are nearest to those of the input with what is added to them."""
    import torch

    if sample.added is None:
        return sample.tokens
    moved = victim.vectors_of(sample) + sample.added
    best = torch.cdist(moved, victim.vectors).argmin(1)
    nearer = (moved - victim.vectors[best]).norm(dim=-1) < sample.added.norm(dim=-1)  # than the token's own vector
    pairs = zip(sample.tokens, best.tolist(), nearer.tolist(), strict=True)
    return tuple(victim.words[word] if changed else token for token, word, changed in pairs)


def is_still(record: Attacked, changes: str) -> bool:
    """Whether an attack left an item as it is. changes: what the attack changes."""
    return record.unmoved if changes == "vectors" else record.before == record.after and not record.moved


def summarise_finding(found: Finding, method: "Attack", chosen: Chosen) -> dict[str, Any]:
    """Returns the counts of one attack at one budget, over the items that were right before.

    flipped: answered wrongly with the attack; typed: also when the text alone is typed; control: answered wrongly after
    a random change; changed: another answer than before, right or wrong; still: left as they are; disagree: the attack
    saw another answer than the stack built afresh gives; unmoved: the gradient of the loss was 0. queries: mean over
    these items.
    """
    records = found.records
    flips = [r.said != r.truth for r in records]
    return {
        "attack": found.attack,
        "budget": found.budget,
        "unit": method.unit,
        "changes": method.changes,
        "keeps_label": method.keeps_label,
        "gradients": method.gradients,
        "norm": getattr(method, "norm", None),
        "steps": getattr(method, "steps", None),
        "items": chosen.items,
        "right": len(records),
        "flipped": sum(flips),
        "typed": sum(r.typed != r.truth for r in records),
        "control": sum(r.control_said != r.control_truth for r in records),
        "changed": sum(r.said != r.label for r in records),
        "still": sum(is_still(r, method.changes) for r in records),
        "disagree": sum(r.searched != r.said for r in records),
        "unmoved": sum(r.unmoved for r in records),
        "queries": sum(r.queries for r in records) / max(1, len(records)),
        "flips": "".join(str(int(flip)) for flip in flips),
        "control_flips": "".join(str(int(r.control_said != r.control_truth)) for r in records),
    }


def run_attacks(
    attacked: AttackedRun, items: Sequence[AttackedItem], asked: AskedAttacks, folder: Path, say: Say, show: Say = str
) -> dict[str, Any]:
    """Attacks a run; returns everything that is known afterwards as plain values.

    say: told which attacks are left out; show: which attack is next. Raises ValueError for a named attack that does not
    go with the run, and where no item is answered rightly.
    """
    attacker = Attacker(attacked, items, asked, folder)
    if not attacker.right:
        raise ValueError(f"{attacked.run.name} answers none of the {attacker.chosen.items} items rightly")
    for line in describe_refused(attacker.refused):
        say(line)
    rows, records = [], []
    for number, (name, method) in enumerate(attacker.methods.items(), start=1):
        show(f"{name}, {number} of {len(attacker.methods)}")
        for found in attacker.attack(name, method):
            rows.append(summarise_finding(found, method, attacker.chosen))
            records += [{"attack": name, "budget": found.budget, **asdict(record)} for record in found.records]
    return {
        "run": attacked.run.name,
        "data": attacked.run.config.data.name,
        "classes": list(attacked.run.classes),
        "methods": {name: dict(keys) for name, keys in asked.methods.items() if name in attacker.methods},
        "refused": attacker.refused,
        "typed_texts": any(item.number < 0 for item in items),
        "items": attacker.chosen.items,
        "right": len(attacker.right),
        "unwritable": attacker.chosen.unwritable,
        "vector_norm": attacker.mean_norm(),
        "rows": rows,
        "records": records,
    }


def describe_refused(refused: Mapping[str, str]) -> list[str]:
    """Says which attacks are left out, and why."""
    reasons: dict[str, list[str]] = {}
    for name, why in refused.items():
        reasons.setdefault(why, []).append(name)
    return [f"left out: {', '.join(names)}: {why}" for why, names in reasons.items()]


def attack_folder(out: Path, run: str) -> Path:
    """The folder of the attacks on a run."""
    return out / "attacks" / run


def save_report(report: Mapping[str, Any], folder: Path) -> None:
    """Writes all numbers and texts of the attacks on a run, and the hashes of the inputs beside them."""
    made = {name: sha for name, sha in hashes(folder).items() if name.endswith((".jsonl", ".npz"))}
    write_json(folder / REPORT, {**report, "files": made})


def draw_attacks(report: Mapping[str, Any], folder: Path, formats: Sequence[str]) -> list[Path]:
    """Draws accuracy against budget and returns the files."""
    from stackcli.figures._attack import draw_robustness
    from stackcli.figures._figure import save

    figure = draw_robustness(report)
    return save(figure, folder / "robustness", formats) if figure is not None else []


def describe_written(folder: Path, files: Sequence[Path]) -> str:
    """Says where the numbers, the changed inputs and the figure are."""
    from stackcli.experiment.written_files import describe_files

    figure = [describe_files(files, folder, "robustness")] if files else []
    return "\n".join([f"wrote {folder / REPORT}, and the changed inputs beside it", *figure])
