"""Optuna's side of a search: it is asked for settings and told their loss. Imported, like Optuna, by a search alone.

random: each value drawn for itself. bayes: the tree-structured Parzen estimator, Bergstra et al. 2011, NeurIPS 24, with
the joint densities of Falkner et al. 2018, arXiv:1807.01774, as Optuna does by default; it needs nothing that
Optuna itself does not, where its Gaussian process would load PyTorch into the driver.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from stackcli.config.overrides import Domain, Interval, Steps
from stackcli.config.settings import Config, Scalar

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

KINDS = {"random": "drawn at random", "bayes": "tree-structured Parzen estimator"}
FIRST, ROUND = 10, 4  # trials of bayes: before it has a model, and from one model
TRIES = 200  # settings drawn in a row that do not go together, before a search gives up


class Asked(NamedTuple):
    """A setting that was asked for: Optuna's trial, to which its loss is told, the values, and the run."""

    trial: Any
    values: Mapping[str, Scalar]
    config: Config


class Sampler:
    """`make` gives the run of some values, or raises ValueError; settings that it refuses are replaced, and why they
    were refused is kept in `refused`."""

    def __init__(
        self, domains: Mapping[str, Domain], kind: str, *, seed: int, make: Callable[[Mapping[str, Scalar]], Config]
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        kinds: dict[str, Any] = {"random": optuna.samplers.RandomSampler, "bayes": optuna.samplers.TPESampler}
        more = {"n_startup_trials": FIRST} if kind == "bayes" else {}
        self.study = optuna.create_study(sampler=kinds[kind](seed=seed % 2**32, **more))
        self.domains, self.kind, self.make = domains, kind, make
        self.distributions = {key: distribution(domain) for key, domain in domains.items()}
        self.refused: list[str] = []

    def rounds(self, trials: int) -> list[int]:
        """How many trials are asked for before their losses are told: a rule that knows nothing of the workers."""
        if self.kind == "random":
            return [trials]
        rest = max(0, trials - FIRST)
        return [min(FIRST, trials), *[ROUND] * (rest // ROUND), *([rest % ROUND] if rest % ROUND else [])]

    def ask(self, count: int) -> list[Asked]:
        """The next settings. Raises ValueError where none is found that goes together."""
        return [self._one() for _ in range(count)]

    def _one(self) -> Asked:
        for _ in range(TRIES):
            trial = self.study.ask(self.distributions)
            values = {key: value(domain, trial.params[key]) for key, domain in self.domains.items()}
            try:
                return Asked(trial, values, self.make(values))
            except ValueError as error:
                self.tell(trial, None)
                self.refused.append(str(error))
        raise ValueError(f"--search: {TRIES} settings in a row do not go together; the last: {self.refused[-1]}")

    def tell(self, trial: Any, loss: float | None) -> None:
        """The loss of a trial: infinite where it diverged, so that the model learns to stay away; None: not known."""
        from optuna.trial import TrialState

        self.study.tell(trial, loss, state=TrialState.FAIL if loss is None else None)


def distribution(domain: Domain) -> "BaseDistribution":
    """A domain as Optuna draws from it; its `high` is included."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(domain, Interval):
        kind: Any = IntDistribution if domain.whole else FloatDistribution
        return kind(domain.low, domain.high, log=domain.log)  # type: ignore[no-any-return]
    if isinstance(domain, Steps):
        whole = all(isinstance(v, int) for v in domain.values)
        kind = IntDistribution if whole else FloatDistribution
        low, high, width = domain.values[0], domain.values[-1], step(domain)
        return kind(low, high, log=domain.log, step=width)  # type: ignore[no-any-return]
    return CategoricalDistribution(domain)


def step(domain: Steps) -> int | float:
    """The distance between neighbours, without the dust of binary subtraction."""
    from decimal import Decimal

    first, second = domain.values[:2]
    if isinstance(first, int) and isinstance(second, int):
        return second - first
    return float(Decimal(str(second)) - Decimal(str(first)))


def value(domain: Domain, drawn: Any) -> Scalar:
    """The setting for what Optuna has drawn: a value of the range itself; of an interval the number to the six digits
    with which settings are shown, so that what is shown is what was trained."""
    if isinstance(domain, Interval):
        return int(drawn) if domain.whole else min(max(float(f"{drawn:g}"), domain.low), domain.high)
    if isinstance(domain, Steps):
        at: int = round((drawn - domain.values[0]) / step(domain))
        return domain.values[at]
    return drawn  # type: ignore[no-any-return]


def coordinate(domain: Domain, found: Any) -> Any:
    """A value where the search weighs it: its logarithm where it was searched so; a choice stays what it is."""
    return found if isinstance(domain, tuple) else math.log(found) if domain.log else float(found)
