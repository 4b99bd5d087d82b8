"""The importance of each searched setting: functional ANOVA, Hutter, Hoos and Leyton-Brown, ICML 2014.

A forest is fitted to the trials. The importance of a setting is the share of the forest's variance that its marginal
alone explains, over all that was searched; the shares are scaled to add up to 1. They add up to 1 for pure noise too,
so the share of variance that the forest explains in trials left out (out of bag) is given beside them.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stackcli.config.overrides import Domain, Interval, Steps, domain_ends
from stackcli.config.settings import Scalar
from stackcli.experiment.search_sampler import coordinate

LEAST, FEW = 10, 20  # trials: with fewer than LEAST no importance is given, with fewer than FEW a rough one
TREES = 100

Tried = Sequence[tuple[Mapping[str, Scalar], float]]


class Found(NamedTuple):
    """How many trials there are; the importance of each key, the largest first, empty where there are too few trials or
    all losses are equal; the share of variance that is explained out of bag."""

    trials: int
    shares: dict[str, float]
    explained: float


def measure_importances(domains: Mapping[str, Domain], tried: Tried) -> Found:
    """Measures the importances. `tried`: the values and the loss of each setting that trained, once."""
    if len(tried) < LEAST or len({loss for _, loss in tried}) < 2:
        return Found(len(tried), {}, 0.0)
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    space: dict[str, BaseDistribution] = {}
    for key, domain in domains.items():
        places = [coordinate(domain, value) for value in domain_ends(domain)]
        numbers = isinstance(domain, Interval | Steps)
        space[key] = FloatDistribution(places[0], places[-1]) if numbers else CategoricalDistribution(places)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    for values, loss in tried:
        at = {key: coordinate(domain, values[key]) for key, domain in domains.items()}
        study.add_trial(optuna.trial.create_trial(params=at, distributions=space, value=loss))
    forest = FanovaImportanceEvaluator(n_trees=TREES, seed=0)
    shares = get_param_importances(study, evaluator=forest, params=list(domains))
    ranked = sorted(domains, key=lambda key: -shares[key])
    return Found(len(tried), {key: float(shares[key]) for key in ranked}, out_of_bag(domains, tried))


def out_of_bag(domains: Mapping[str, Domain], tried: Tried) -> float:
    """Returns R^2 of a forest's predictions, each from the trees that were not fitted to the trial: at most 1, and
    below 0 where the mean would predict better."""
    import numpy as np
    from sklearn.ensemble import RandomForestRegressor

    columns = []
    for key, domain in domains.items():
        values = [coordinate(domain, row[key]) for row, _ in tried]
        columns += [values] if not isinstance(domain, tuple) else [[v == c for v in values] for c in domain]
    forest = RandomForestRegressor(n_estimators=TREES, oob_score=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a trial that every tree was fitted to is predicted as 0
        forest.fit(np.array(columns, dtype=float).T, np.array([loss for _, loss in tried]))
    return float(forest.oob_score_)


def describe_importances(found: Found, at: str = "") -> str:
    """Describes the importances; `at`: the length of training after which they were measured."""
    if found.trials < LEAST:
        return f"Too few trials for the importance of a setting: {found.trials}; at least {LEAST} are needed."
    if not found.shares:
        return "Every trial has the same validation loss: no setting matters."
    where = f" {at}" if at else ""
    if found.explained <= 0:
        return f"The settings do not predict the validation loss of trials left out{where}: no importance is given."
    shares = ", ".join(f"{key} {share:.2f}" for key, share in found.shares.items())
    guide = f" {found.trials} trials are few: a rough guide." if found.trials < FEW else ""
    return (
        f"Importance for the validation loss over all that was searched{where} (fANOVA): {shares}. A forest explains "
        f"{100 * found.explained:.0f} % of the variance of trials left out.{guide}"
    )
