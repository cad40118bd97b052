"""Simulations behind the figures: run once each, kept, and shared by the figures that show them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from workbench.core.types import Trajectory
from workbench.engine.parallel import finished_jobs
from workbench.engine.store import Store, to_netcdf, to_trajectory
from workbench.engine.sweep import Configuration, plan, run_sweep

K = TypeVar("K")


@dataclass(frozen=True)
class Work:
    """Where simulations are kept and who does them; no number depends on it.

    done : called with the name of what has been simulated when its result is there
    """

    store: Store
    n_jobs: int = 1
    done: Callable[[str], None] | None = None

    def run(self, document: Mapping[str, Any]) -> dict[str, Trajectory]:
        """Return the trajectory of every configuration of a sweep's document, by label, in its order.

        Raises
        ------
        InputError : a document that is no sweep, or data that is not on this machine
        """
        configurations = plan(document)
        return dict(zip((each.label for each in configurations), self._simulated(configurations), strict=True))

    def run_each(self, documents: Mapping[K, Mapping[str, Any]]) -> dict[K, Trajectory]:
        """Return the trajectories of documents that hold one configuration each; the long ones are begun first."""
        configurations = {key: plan(document)[0] for key, document in documents.items()}
        return dict(zip(configurations, self._simulated(configurations.values()), strict=True))

    def keep(self, jobs: Mapping[str, Callable[[], Trajectory]]) -> dict[str, Trajectory]:
        """Return the results of jobs by name: what determines a result is in its name.

        Parameters
        ----------
        jobs : picklable, for instance `functools.partial` of a module's function
        """
        self.store.prepare()
        missing = sorted(jobs.keys() - self.store.whole())
        for index, trajectory in finished_jobs([jobs[name] for name in missing], self.n_jobs):
            self.store.write(missing[index], to_netcdf(trajectory, {}))
            self._tell(missing[index])
        return {name: to_trajectory(self.store.read(name)) for name in jobs}

    def _simulated(self, configurations: Iterable[Configuration]) -> list[Trajectory]:
        asked = list(configurations)
        longest_first = sorted({each.name: each for each in asked}.values(), key=lambda each: each.work, reverse=True)
        run_sweep(longest_first, self.store, n_jobs=self.n_jobs, done=lambda each: self._tell(each.label))
        return [to_trajectory(self.store.read(each.name)) for each in asked]

    def _tell(self, name: str) -> None:
        if self.done is not None:
            self.done(name)
