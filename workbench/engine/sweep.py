"""Sweeps: a configuration file's grid of configurations, run once each, whatever stops the work in between."""

import hashlib
import itertools
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache, partial
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec
import numpy as np
from msgspec import Meta, Struct

from workbench.codes.code import GradientCode
from workbench.core import catalogue, versions
from workbench.core.errors import InputError
from workbench.core.types import DelayModel, IntArray, Problem, Trajectory
from workbench.engine import configure
from workbench.engine.loop import check_sizes, simulate, spaced_checkpoints
from workbench.engine.parallel import finished_jobs, one_thread
from workbench.engine.setup import build_code, build_delay, build_problem, build_scheme
from workbench.engine.store import Store, to_netcdf
from workbench.schemes.scheme import Setting

MAX_CONFIGURATIONS = 100_000
KEY_LENGTH = 16  # hexadecimal digits of a name

Count = Annotated[int, Meta(ge=1, le=10**8)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Table(Struct, forbid_unknown_fields=True):
    """One configuration as plain values: it determines every number of its result."""

    n_workers: Annotated[int, Meta(ge=1, le=100_000)]
    problem: dict[str, Any]
    delay: dict[str, Any]
    scheme: dict[str, Any]
    seed: Seed = 0
    runs: Count = 20
    iterations: Annotated[int, Meta(ge=1, le=10**9)] = 100
    checkpoints: Count | list[Annotated[int, Meta(ge=0)]] = 24
    chunk_runs: Count | None = None
    measure_gradients: bool = True
    seconds_per_bit: Annotated[float, Meta(ge=0)] = 0.0


@dataclass(frozen=True)
class Configuration:
    """One cell of a sweep.

    name : what its result is called: the scheme's label and a hash of all that determines the result
    determined_by : versions, and checksums of the files that it names
    """

    table: Table
    label: str
    name: str
    determined_by: Mapping[str, str]

    @property
    def work(self) -> int:
        """Run-iterations: how its work compares with the others'."""
        return self.table.runs * self.table.iterations


def read_sweep(path: str | PathLike[str]) -> list[Configuration]:
    """Read a configuration file, and return the configurations of its grid.

    `[scheme]` may be an array of tables, `[[scheme]]`: a configuration each. A table `grid` inside a scheme and one at
    the top hold lists of values for (dotted) keys; every combination is a configuration.

    Raises
    ------
    InputError : the file, what is wrong, and the way out
    """
    try:
        content = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"{path}: cannot be read ({reason}): give the path of a TOML file") from None
    try:
        return plan(tomllib.loads(content), folder=Path(path).parent)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: this is not TOML: {error}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def plan(document: Mapping[str, Any], *, folder: Path = Path()) -> list[Configuration]:
    """Return the configurations that a document stands for, each once.

    Parameters
    ----------
    folder : where relative paths in the document start
    """
    document = dict(document)
    schemes = document.pop("scheme", None)
    schemes = schemes if isinstance(schemes, list) else [schemes]
    if not schemes or not all(isinstance(scheme, dict) for scheme in schemes):
        raise InputError("there is no scheme: add a table [scheme] with its kind")
    grid = document.pop("grid", {})
    found: dict[str, Configuration] = {}
    for scheme in schemes:
        own = {f"scheme.{key}": values for key, values in _dotted(scheme.get("grid", {})).items()}
        base = document | {"scheme": {key: value for key, value in scheme.items() if key != "grid"}}
        cells = _dotted(grid) | own
        for table, chosen in _combinations(base, cells):
            configuration = _configuration(table, _shown(cells, chosen), folder)
            found[configuration.name] = configuration
    return list(found.values())


def _dotted(table: Any, prefix: str = "") -> dict[str, Any]:
    """Lay nested tables flat: "scheme.step_size" and [grid.scheme] step_size mean the same."""
    if not isinstance(table, dict):
        raise InputError("grid is no table: give keys and lists of values")
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _combinations(base: dict[str, Any], grid: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[Any, ...]]]:
    """Yield a table for every combination of the grid's values, and the values."""
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise InputError(f"grid {key} is {values!r}: give a list of at least one value")
    n_cells = int(np.prod([len(values) for values in grid.values()], dtype=float))
    if n_cells > MAX_CONFIGURATIONS:
        raise InputError(f"the grid has {n_cells} combinations: {MAX_CONFIGURATIONS} are the most")
    for chosen in itertools.product(*grid.values()):
        table = deepcopy(base)
        for key, value in zip(grid, chosen, strict=True):
            _put(table, key, value)
        yield table, chosen


def _shown(grid: Mapping[str, Any], chosen: Sequence[Any]) -> str:
    """Say what tells a scheme's cells apart; a seed has a column of its own."""
    values = zip(grid, chosen, strict=True)
    return "".join(f" {key.removeprefix('scheme.')}={value}" for key, value in values if key != "seed")


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key."""
    *path, last = key.split(".")
    for step in path:
        table = table.setdefault(step, {})
        if not isinstance(table, dict):
            raise InputError(f"grid {key}: '{step}' is no table")
    table[last] = value


def _configuration(raw: dict[str, Any], cell: str, folder: Path) -> Configuration:
    """Check a table as far as that needs no work, and name it."""
    configure.check_numbers(raw, "")
    try:
        table = msgspec.convert(msgspec.to_builtins(raw), Table)  # a date is a text
    except msgspec.ValidationError as error:
        raise InputError(f"{error}") from None
    named = str(table.scheme.pop("name", None) or table.scheme.get("kind", ""))
    plain = deepcopy(msgspec.to_builtins(table))
    determined_by = versions.determining() | catalogue.packages_behind(_texts(raw))
    for where, found, known in (
        ("problem", catalogue.problems(), ("n_parts", "seed", "images", "labels")),
        ("delay", catalogue.delay_laws(), ("n_workers",)),
        ("scheme", catalogue.schemes(), ("setting",)),
    ):
        for name, checksum in _check_part(getattr(table, where), where, found, known, folder).items():
            determined_by[f"{where} {name}"] = checksum
            plain[where][name] = ""  # what is in a file determines the result, not where it lies
    written = json.dumps([_whole_as_int(plain), determined_by], sort_keys=True)
    key = hashlib.sha256(written.encode()).hexdigest()[:KEY_LENGTH]
    readable = re.sub(r"[^A-Za-z0-9._=+-]+", "_", named)[:60]
    return Configuration(table, named + cell, f"{readable}-{key}", determined_by)


def _whole_as_int(value: Any) -> Any:
    """Write 1.0 as 1 wherever in nested tables and lists it is: the same number has the same name."""
    if isinstance(value, dict):
        return {key: _whole_as_int(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole_as_int(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_part(
    part: dict[str, Any], where: str, found: Mapping[str, Any], known: Sequence[str], folder: Path
) -> dict[str, str]:
    """Look at the names in [problem], [delay] or [scheme]; return the checksums of the files that it names, by key."""
    kind = part.get("kind")
    if not isinstance(kind, str):
        raise InputError(f"[{where}] needs 'kind', the name of what it is")
    module = catalogue.pick(where, dict(found), kind)
    if hasattr(module, "DATASET"):
        catalogue.pick("data set", catalogue.datasets(), str(part.get("dataset", module.DATASET)))
        known = (*known, "dataset")
    taken = {key: value for key, value in part.items() if key not in ("kind", *(known if where == "problem" else ()))}
    configure.check_names(module.build, table=taken, where=f"[{where}]", known=known)
    checksums = {}
    for name, annotation in get_type_hints(module.build).items():
        if annotation in (Path, Path | None) and name in part:
            path = (folder / str(part[name])).resolve()  # processes may stand elsewhere
            part[name] = str(path)
            checksums[name] = _checksum(path)
    return checksums


def _texts(value: Any) -> set[str]:
    """Collect all texts in nested tables and lists."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return set().union(*map(_texts, value))
    return {value} if isinstance(value, str) else set()


def _checksum(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): give the path of a file") from None


def build_setting(configuration: Configuration) -> Setting:
    """Build the world of a configuration: its problem, with as many parts as workers unless it says otherwise."""
    table = configuration.table
    problem = {"n_parts": table.n_workers, "seed": table.seed} | table.problem
    checksums = {
        where: json.dumps({key: each for key, each in configuration.determined_by.items() if key.startswith(where)})
        for where in ("problem ", "delay ")
    }
    return Setting(
        _problem(json.dumps(problem, sort_keys=True), checksums["problem "]),
        _delay(json.dumps(table.delay, sort_keys=True), table.n_workers, checksums["delay "]),
        table.seconds_per_bit,
    )


@lru_cache(maxsize=8)
def _delay(written: str, n_workers: int, checksums: str) -> DelayModel:
    """Build a delay law, of a table and checksums as those of `_problem`: a log takes a while to read."""
    return build_delay(json.loads(written), n_workers)


@lru_cache(maxsize=1)
def _problem(written: str, checksums: str) -> Problem:
    """Build a problem: neighbours in a sweep share theirs, and its optimum may take longer than their rounds.

    Parameters
    ----------
    written : its table, as JSON
    checksums : of the files that the table names
    """
    table = json.loads(written)
    return build_problem(table.pop("kind"), table.pop("n_parts"), where="[problem]", **table)


def check(configurations: Iterable[Configuration], done: Callable[[int], None] | None = None) -> None:
    """Build every configuration but run none; of those that differ in their seed alone, one.

    Each problem and each code is built once, on one thread as for the work. What one seed draws may fail where
    another's did not, when it runs.

    Parameters
    ----------
    done : called with the number of configurations checked since the last call

    Raises
    ------
    InputError : one that cannot be had, and why
    """
    codes: dict[str, GradientCode] = {}
    alike: dict[str, list[Configuration]] = {}
    for each in configurations:
        unseeded = msgspec.structs.replace(each.table, seed=0)
        alike.setdefault(json.dumps(msgspec.to_builtins(unseeded), sort_keys=True), []).append(each)
    for some in sorted(alike.values(), key=lambda each: json.dumps(each[0].table.problem, sort_keys=True)):
        configuration = some[0]
        table = configuration.table
        world = json.dumps([table.problem, table.delay, table.n_workers, table.seconds_per_bit], sort_keys=True)

        def design(code: dict[str, Any], setting: Setting, *, world: str = world, **given: Any) -> GradientCode:
            key = json.dumps([world, code, given["deadline_s"]], sort_keys=True)
            if key not in codes:
                codes[key] = build_code(code, setting, **given)
            return codes[key]

        try:
            with one_thread():
                build_scheme(table.scheme, build_setting(configuration), seed=table.seed, design=design)
            check_sizes(table.iterations, table.runs, _checkpoints(table), table.chunk_runs)
        except InputError as error:
            raise InputError(f"{configuration.label}: {error}") from None
        if done is not None:
            done(len(some))


def run_configuration(configuration: Configuration) -> Trajectory:
    """Build and simulate one configuration."""
    table = configuration.table
    scheme = build_scheme(table.scheme, build_setting(configuration), seed=table.seed)
    return simulate(
        scheme,
        n_iters=table.iterations,
        n_runs=table.runs,
        seed=table.seed,
        checkpoints=_checkpoints(table),
        chunk_runs=table.chunk_runs,
        measure_gradients=table.measure_gradients,
    )


def _checkpoints(table: Table) -> IntArray:
    if isinstance(table.checkpoints, int):
        return spaced_checkpoints(table.iterations, table.checkpoints)
    return np.asarray(table.checkpoints, np.int64)


def run_sweep(
    configurations: Sequence[Configuration],
    store: Store,
    *,
    n_jobs: int = 1,
    cluster: str | None = None,
    done: Callable[[Configuration], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Run what the store does not hold whole yet; each result is written as soon as it is there.

    Parameters
    ----------
    n_jobs, cluster, tell : as for `finished_jobs`; the results do not depend on them
    done : called with each configuration whose result has been written

    Raises
    ------
    InputError : what a configuration asks for cannot be had; results written before it stay
    LostWorkerError : what it ran on went away; these stay likewise
    """
    store.prepare()
    there = store.whole()
    missing = [configuration for configuration in configurations if configuration.name not in there]
    jobs = [partial(run_configuration, configuration) for configuration in missing]
    if n_jobs > 1 or cluster is not None:
        _problem.cache_clear()  # others build their own
    for index, trajectory in finished_jobs(jobs, n_jobs, cluster=cluster, tell=tell):
        store.write(missing[index].name, to_netcdf(trajectory, _attributes(missing[index])))
        if done is not None:
            done(missing[index])


def _attributes(configuration: Configuration) -> dict[str, object]:
    """What a result says of how it came about."""
    return {
        "label": configuration.label,
        "configuration": msgspec.to_builtins(configuration.table),
        "determined_by": dict(configuration.determined_by),
    }
