"""From names and files to what the loop needs: the problem with its data, the delays of a profile."""

from workbench.core import catalogue
from workbench.core.types import DelayModel, Problem
from workbench.stragglers.delays.bernoulli import Bernoulli
from workbench.stragglers.profile import StragglerProfile


def build_problem(key: str, n_parts: int, *, seed: int, n_samples: int | None = None) -> Problem:
    """Build a problem of the catalogue; one that names a DATASET gets its images and labels.

    Parameters
    ----------
    n_samples : samples of all parts together; the problem's own default if None

    Raises
    ------
    InputError : an unknown key, or data that is not on this machine
    """
    module = catalogue.pick("problem", catalogue.problems(), key)
    name = getattr(module, "DATASET", None)
    if name is None:
        problem: Problem = module.build(n_parts, seed=seed, n_samples=n_samples)
        return problem
    images, labels = catalogue.pick("data set", catalogue.datasets(), name).load()
    on_data: Problem = module.build(n_parts, seed=seed, n_samples=n_samples, images=images, labels=labels)
    return on_data


def delay_of(profile: StragglerProfile) -> DelayModel:
    """Return the profile's fitted delays; without any, workers answer just in time or never."""
    if profile.delay is not None:
        return profile.delay
    return Bernoulli(profile.straggle_prob, profile.deadline_s or 0.0)
