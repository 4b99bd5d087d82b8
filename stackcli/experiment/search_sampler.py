"""Proposes the settings of a search with Optuna, which nothing but a search imports.

random: each value is drawn independently. bayes: the tree-structured Parzen estimator, Bergstra et al. 2011, NeurIPS
24, with the joint densities of Falkner et al. 2018, arXiv:1807.01774, as Optuna does by default. Optuna's Gaussian
process is not offered, as it would load PyTorch into the driver.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from stackcli.config.overrides import Domain, Interval, Steps
from stackcli.config.settings import Config, Scalar

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

KINDS = {"random": "drawn at random", "bayes": "tree-structured Parzen estimator"}
FIRST, ROUND = 10, 4  # trials of bayes: before its first model, and from each model
TRIES = 200  # settings that may be refused in a row before a search gives up


class Asked(NamedTuple):
    """A proposed setting: the trial of Optuna to which its loss is reported, the values, and the run."""

    trial: Any
    values: Mapping[str, Scalar]
    config: Config


class Sampler:
    """Proposes settings. `make` returns the run of some values or raises ValueError; a setting that it refuses is
    replaced by another, and `refused` keeps the reasons."""

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
        """Returns how many trials are proposed before their losses are reported, whatever the number of workers."""
        if self.kind == "random":
            return [trials]
        rest = max(0, trials - FIRST)
        return [min(FIRST, trials), *[ROUND] * (rest // ROUND), *([rest % ROUND] if rest % ROUND else [])]

    def ask(self, count: int) -> list[Asked]:
        """Returns the next settings. Raises ValueError where too many in a row are refused."""
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
        raise ValueError(f"--search: {TRIES} settings in a row do not fit together; the last: {self.refused[-1]}")

    def tell(self, trial: Any, loss: float | None) -> None:
        """Reports the loss of a trial: infinite where it diverged, so that the model avoids it; None: not known."""
        from optuna.trial import TrialState

        self.study.tell(trial, loss, state=TrialState.FAIL if loss is None else None)


def distribution(domain: Domain) -> "BaseDistribution":
    """Returns a domain as a distribution of Optuna; its `high` is included."""
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
    """Returns the distance between neighbours, without the rounding error of binary subtraction."""
    from decimal import Decimal

    first, second = domain.values[:2]
    if isinstance(first, int) and isinstance(second, int):
        return second - first
    return float(Decimal(str(second)) - Decimal(str(first)))


def value(domain: Domain, drawn: Any) -> Scalar:
    """Returns the setting for what Optuna drew: a value of the range itself; of an interval the number rounded to the
    six digits that are shown, so that the number shown is the number trained."""
    if isinstance(domain, Interval):
        return int(drawn) if domain.whole else min(max(float(f"{drawn:g}"), domain.low), domain.high)
    if isinstance(domain, Steps):
        at: int = round((drawn - domain.values[0]) / step(domain))
        return domain.values[at]
    return drawn  # type: ignore[no-any-return]


def coordinate(domain: Domain, found: Any) -> Any:
    """Returns a value on the scale of the search: its logarithm where that is logarithmic; a choice is unchanged."""
    return found if isinstance(domain, tuple) else math.log(found) if domain.log else float(found)
