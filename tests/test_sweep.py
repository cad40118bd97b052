"""Sweeps: what a file stands for, the same store wherever and however often interrupted the work was done."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from workbench.core import versions
from workbench.core.errors import InputError, LostWorkerError
from workbench.engine import parallel, sweep
from workbench.engine.parallel import finished_jobs, run_jobs
from workbench.engine.store import Store, to_trajectory
from workbench.engine.sweep import check, plan, read_sweep, run_configuration, run_sweep

WORKBENCH = Path(sys.executable).parent / "workbench"
DOCUMENT = """
    n_workers = 4
    runs = 3
    iterations = 12
    checkpoints = [0, 5, 12]

    [problem]
    kind = "least_squares"
    dim = 5

    [delay]
    kind = "exponential"
    rate_per_s = 2.0

    [[scheme]]
    kind = "fastest_k"
    step_size = 0.02
    grid = { n_wait = [1, 3] }

    [[scheme]]
    kind = "coded_sgd"
    name = "one bit"
    code = { kind = "one_bit", replication = 2 }
    deadline_s = 1.0
    step_size = { kind = "inverse_time", scale = 0.02, shift = 1 }

    [[scheme]]
    kind = "heavy_ball"
    step_size = 0.02

    [grid]
    seed = [0, 1]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.toml"
    path.write_text(textwrap.dedent(DOCUMENT))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def minimal(**changes: object) -> dict[str, object]:
    base: dict[str, object] = {
        "n_workers": 3,
        "runs": 2,
        "iterations": 4,
        "problem": {"kind": "quadratic", "dim": 3},
        "delay": {"kind": "bernoulli", "straggle_prob": 0.2},
        "scheme": {"kind": "wait_for_all", "step_size": 0.1},
    }
    return base | changes


# ---- what a file stands for --------------------------------------------------------------------------------


def test_grids_multiply_and_schemes_have_their_own(config: Path) -> None:
    found = read_sweep(config)
    assert [(each.label, each.table.seed, each.table.scheme.get("n_wait")) for each in found] == [
        ("fastest_k n_wait=1", 0, 1),
        ("fastest_k n_wait=3", 0, 3),
        ("fastest_k n_wait=1", 1, 1),
        ("fastest_k n_wait=3", 1, 3),
        ("one bit", 0, None),
        ("one bit", 1, None),
        ("heavy_ball", 0, None),
        ("heavy_ball", 1, None),
    ]
    assert len({each.name for each in found}) == 8
    assert [each.work for each in found] == [36] * 8
    assert found[4].name.startswith("one_bit-")


def test_dotted_and_nested_grids_are_the_same_and_equal_cells_are_one() -> None:
    dotted = plan(minimal(grid={"scheme.step_size": [0.1, 0.2, 0.1]}))
    nested = plan(minimal(grid={"scheme": {"step_size": [0.1, 0.2]}}))
    assert [each.name for each in dotted] == [each.name for each in nested]
    assert plan(minimal())[0].name == nested[0].name


def test_a_name_changes_with_all_that_determines_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = plan(minimal())[0]
    changed = [
        {"seed": 1},
        {"runs": 3},
        {"iterations": 5},
        {"checkpoints": 3},
        {"chunk_runs": 1},
        {"measure_gradients": False},
        {"seconds_per_bit": 0.1},
        {"problem": {"kind": "quadratic", "dim": 4}},
        {"delay": {"kind": "bernoulli", "straggle_prob": 0.3}},
        {"scheme": {"kind": "wait_for_all", "step_size": 0.2}},
    ]
    names = {plan(minimal(**change))[0].name for change in changed}
    assert len(names | {base.name}) == len(changed) + 1
    assert plan(minimal())[0].name == base.name
    log = tmp_path / "log.csv"
    logs = []
    for response in ("1.0", "1.5"):
        log.write_text("round,worker,response_s\n" + "".join(f"0,{w},{response}\n" for w in range(3)))
        replayed = {"kind": "replay", "log": "log.csv"}
        logs.append(plan(minimal(delay=replayed), folder=tmp_path)[0].name)
    assert logs[0] != logs[1]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "copy.csv").write_text(log.read_text())
    moved = {"kind": "replay", "log": "elsewhere/copy.csv"}
    assert plan(minimal(delay=moved), folder=tmp_path)[0].name == logs[1]
    for package in ("numpy", "scipy", "networkx"):
        with monkeypatch.context() as patch:
            patch.setattr(versions, "installed", lambda each, new=package: "another" if each == new else version(each))
            assert plan(minimal())[0].name != base.name
    with monkeypatch.context() as patch:
        patch.setattr(versions, "__version__", "another")
        assert plan(minimal())[0].name != base.name


REFUSED = {
    "no scheme": ({"scheme": None}, "there is no scheme"),
    "no kind": ({"scheme": {"step_size": 0.1}}, r"\[scheme\] needs 'kind'"),
    "unknown scheme": ({"scheme": {"kind": "fastest"}}, "unknown scheme 'fastest': choose one of"),
    "unknown problem": ({"problem": {"kind": "x"}}, "unknown problem 'x'"),
    "unknown delay": ({"delay": {"kind": "x"}}, "unknown delay 'x'"),
    "unknown key": ({"scheme": {"kind": "wait_for_all", "step": 1}}, r"\[scheme\] has no 'step': it takes step_size"),
    "missing key": ({"scheme": {"kind": "wait_for_all"}}, r"\[scheme\] needs 'step_size'"),
    "unknown top key": ({"iteration": 3}, "iteration"),
    "wrong type": ({"runs": "many"}, "runs"),
    "below one": ({"iterations": 0}, "iterations"),
    "grid without list": ({"grid": {"seed": 3}}, "grid seed is 3: give a list"),
    "grid into a value": ({"grid": {"seed.x": [3]}}, "grid seed.x: 'seed' is no table"),
    "a grid too large": ({"grid": {"seed": list(range(400)), "runs": list(range(1, 400))}}, "159600 combinations"),
}


@pytest.mark.parametrize(("change", "match"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused_before_the_work(change: dict[str, object], match: str) -> None:
    with pytest.raises(InputError, match=match) as refusal:
        plan(minimal(seed=0) | change)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("scheme", "match"),
    [
        ({"kind": "wait_for_all", "step_size": -1.0}, "step_size is -1.0: a step size is positive"),
        ({"kind": "wait_for_all", "step_size": {"kind": "x"}}, "choose one of constant, inverse_time"),
        ({"kind": "wait_for_all", "step_size": "x"}, "choose one of constant"),
        ({"kind": "coded_sgd", "step_size": 0.1, "code": "x"}, "unknown code 'x'"),
        ({"kind": "coded_sgd", "step_size": 0.1, "code": {"kind": "osgc", "copies": 2}}, "has no 'copies'"),
        ({"kind": "coded_sgd", "step_size": 0.1, "code": "osgc", "deadline_s": "soon"}, "deadline_s is 'soon'"),
        (
            {
                "kind": "coded_sgd",
                "step_size": 0.1,
                "code": {"kind": "osgc", "quantizer": {"kind": "identity", "bits": 1.5}},
            },
            "bits: give a whole number",
        ),
    ],
)
def test_what_a_scheme_cannot_be_built_from_is_refused(scheme: dict[str, object], match: str) -> None:
    with pytest.raises(InputError, match=match):
        run_configuration(plan(minimal(scheme=scheme))[0])


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_sweep(tmp_path / "missing.toml")
    (tmp_path / "bad.toml").write_text("a = ")
    with pytest.raises(InputError, match=r"bad\.toml: this is not TOML"):
        read_sweep(tmp_path / "bad.toml")


def test_neighbours_share_their_problem() -> None:
    (first,), (other_seed,) = (plan(minimal(seed=seed)) for seed in (1, 2))
    (other_step,) = plan(minimal(seed=1, scheme={"kind": "wait_for_all", "step_size": 0.2}))
    built = sweep.build_setting(first).problem
    assert sweep.build_setting(other_step).problem is built
    assert sweep.build_setting(other_seed).problem is not built
    assert sweep.build_setting(first).problem is not built  # one is kept


def test_any_code_with_any_decoder_and_quantizer() -> None:
    code = {"kind": "stochastic", "replication": 2, "quantizer": {"kind": "random_sign"}, "decoder": "least_squares"}
    scheme = {"kind": "coded_sgd", "step_size": 0.01, "code": code, "deadline_s": 1.0}
    built = sweep.build_scheme(scheme, sweep.build_setting(plan(minimal())[0]), seed=0)
    assert type(built.code.quantizer).__name__ == "RandomSign"
    assert type(built.code.decoder).__name__ == "LeastSquaresDecoder"
    assert np.isfinite(run_configuration(plan(minimal(scheme=scheme))[0]).loss).all()


# ---- the store ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The configuration file, and the store that one process makes of it."""
    folder = tmp_path_factory.mktemp("sweep")
    path = folder / "sweep.toml"
    path.write_text(textwrap.dedent(DOCUMENT))
    run_sweep(read_sweep(path), Store(folder / "one"), n_jobs=1)
    return path, folder / "one"


def test_a_result_has_named_axes_units_and_all_that_made_it(undisturbed: tuple[Path, Path]) -> None:
    path, folder = undisturbed
    configurations = {each.name: each for each in read_sweep(path)}
    store = Store(folder)
    assert store.names() == sorted(configurations)
    for name, dataset in zip(store.names(), store, strict=True):
        assert dict(dataset.sizes) == {"run": 3, "checkpoint": 3}
        assert dataset["iteration"].to_numpy().tolist() == [0, 5, 12]
        assert (dataset["seconds"].attrs["units"], dataset["bits_up"].attrs["units"]) == ("s", "bit")
        written = json.loads(dataset.attrs["configuration"])
        assert written["seed"] == configurations[name].table.seed
        assert json.loads(dataset.attrs["determined_by"])["numpy"] == np.__version__
        expected, found = run_configuration(configurations[name]), to_trajectory(dataset)
        for axis in ("iterations", "loss", "error_sq", "grad_sq", "part_grad_sq", "seconds", "bits_up", "bits_down"):
            np.testing.assert_array_equal(getattr(found, axis), getattr(expected, axis))
        assert found.measures.keys() == expected.measures.keys()
    added = [json.loads(dataset.attrs["determined_by"]) for dataset in store if dataset.attrs["label"] == "heavy_ball"]
    assert [each["workbench.schemes: heavy_ball"] for each in added] == ["straggler-example 1.0"] * 2


def test_two_processes_and_another_order_make_the_same_bytes(undisturbed: tuple[Path, Path], tmp_path: Path) -> None:
    path, folder = undisturbed
    configurations = read_sweep(path)
    random.Random(1).shuffle(configurations)
    run_sweep(configurations, Store(tmp_path / "two"), n_jobs=2)
    assert contents(tmp_path / "two") == contents(folder)


def test_checked_first_and_of_any_size_it_is_the_same_bytes(tmp_path: Path) -> None:
    """What the check has built for the first configuration was multiplied on one thread, as it is elsewhere."""
    large = plan({**minimal(problem={"kind": "least_squares", "dim": 300}), "grid": {"seed": [0, 1]}})
    check(large)
    run_sweep(large, Store(tmp_path / "one"))
    run_sweep(large, Store(tmp_path / "two"), n_jobs=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def grown(megabytes: int) -> int:
    """Keep memory in the process for good, and stay for longer than joblib leaves between its looks at it."""
    KEPT.append(np.ones(2**17 * megabytes))
    time.sleep(1.2)
    return os.getpid()


KEPT: list[np.ndarray] = []


def test_a_process_that_grew_is_replaced_though_warnings_are_errors() -> None:
    """joblib replaces one that grew by 300 MB, and warns of it in the thread that all the others wait for."""
    processes = run_jobs([partial(grown, megabytes) for megabytes in (1, 1, 400, 400, 1, 1)], 2)
    assert len(set(processes)) > 2


def test_a_killed_process_is_one_line() -> None:
    with pytest.raises(LostWorkerError, match="a worker process was killed, perhaps for want of memory: run again"):
        run_jobs([partial(os._exit, 1), partial(time.sleep, 5)], 2)


def test_who_stops_early_is_not_warned() -> None:
    results = finished_jobs([partial(time.sleep, 0.1)] * 8, 2)
    next(results)
    results.close()  # warnings are errors here


@pytest.fixture
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A Dask scheduler and two workers, or as many as asked, each a process of its own, on the loopback."""
    where = tmp_path / "scheduler.json"
    common = ["--scheduler-file", str(where), "--no-dashboard"]
    commands = [
        ["dask_scheduler", "--host", "127.0.0.1", "--port", "0", *common],
        *[["dask_worker", "--nthreads", "1", "--no-nanny", *common]] * getattr(request, "param", 2),
    ]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{command}", *options],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command, *options in commands
    ]
    try:
        deadline = time.monotonic() + 60
        while not (where.exists() and where.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield json.loads(where.read_text())["address"]
    finally:
        for process in reversed(processes):  # workers whose scheduler is gone look for it first
            process.terminate()
            process.wait(timeout=30)


def test_a_cluster_makes_the_same_bytes(undisturbed: tuple[Path, Path], tmp_path: Path, cluster: str) -> None:
    path, folder = undisturbed
    run_sweep(read_sweep(path), Store(tmp_path / "cluster"), cluster=cluster)
    assert contents(tmp_path / "cluster") == contents(folder)
    with pytest.raises(InputError, match=r"gone\.toml: cannot be read"):
        list(finished_jobs([partial(read_sweep, "gone.toml")] * 2, 1, cluster=cluster))


@pytest.mark.parametrize("cluster", [1], indirect=True)
def test_the_command_on_a_cluster_makes_the_same_bytes(
    undisturbed: tuple[Path, Path], tmp_path: Path, cluster: str
) -> None:
    path, folder = undisturbed
    command = [WORKBENCH, "simulate", path, "--cluster", cluster, "--out", tmp_path / "cluster"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    assert "At the last checkpoint" in done.stdout
    assert contents(tmp_path / "cluster") == contents(folder)


@pytest.mark.parametrize("cluster", [1], indirect=True)
def test_a_cluster_that_goes_away_is_told(cluster: str) -> None:
    import distributed

    with distributed.Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(1)
        (worker,) = client.run(os.getpid).values()
        scheduler = client.run_on_scheduler(os.getpid)
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        os.kill(scheduler, signal.SIGKILL)

    results = finished_jobs([partial(time.sleep, 1.0)] * 5, 1, cluster=cluster, tell=tell)
    next(results)
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(LostWorkerError, match=f"the Dask scheduler at {cluster} is gone: start one and run again"):
        list(results)
    assert told == ["the cluster has no workers left: waiting for one to come back"]


@pytest.mark.parametrize("cluster", [0], indirect=True)
def test_a_cluster_without_workers_is_refused(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "CLUSTER_PATIENCE_S", 2)
    with pytest.raises(InputError, match="has no workers: start some"):
        list(finished_jobs([partial(read_sweep, "gone.toml")], 1, cluster=cluster))
    assert not list(finished_jobs([], 1, cluster=cluster))  # nothing to do asks nobody


def test_what_is_there_is_not_run_again(
    undisturbed: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, folder = undisturbed
    store = Store(tmp_path / "again")
    store.prepare()
    for name, content in list(contents(folder).items())[:5]:
        (store.folder / name).write_bytes(content)
    (store.folder / ".half.nc.abc.part").write_bytes(b"half")  # what a killed writer leaves
    runs: list[str] = []
    run = sweep.run_configuration
    monkeypatch.setattr(sweep, "run_configuration", lambda each, **how: runs.append(each.name) or run(each, **how))
    run_sweep(read_sweep(path), store)
    assert len(runs) == 3
    assert contents(store.folder) == contents(folder)
    run_sweep(read_sweep(path), store, n_jobs=2)  # nothing is left to do
    assert len(runs) == 3


def test_a_file_that_is_cut_anywhere_is_computed_again(undisturbed: tuple[Path, Path], tmp_path: Path) -> None:
    path, folder = undisturbed
    store = Store(tmp_path / "cut")
    store.prepare()
    for name, content in contents(folder).items():
        (store.folder / name).write_bytes(content)
    cut = store.folder / f"{store.names()[2]}.nc"
    content = cut.read_bytes()
    for length in (*range(0, len(content), 50), len(content) - 1):
        cut.write_bytes(content[:length])
        assert store.whole() == set(store.names()) - {cut.stem}
    rng = random.Random(1)
    for at in range(400):  # or one byte is another
        cut.write_bytes(content[:at] + bytes([content[at] ^ rng.randrange(1, 256)]) + content[at + 1 :])
        assert store.whole() >= set(store.names()) - {cut.stem}
    cut.write_bytes(content[:-1])
    with pytest.raises(InputError, match="no result can be read here"):
        store.read(cut.stem)
    run_sweep(read_sweep(path), store)
    assert contents(store.folder) == contents(folder)


def test_killed_twenty_times_at_random_moments_nothing_is_lost_and_nothing_twice(tmp_path: Path) -> None:
    """SIGKILL to the whole process group, children included, then --resume, against an undisturbed run."""
    seeds = list(range(120))
    document = f"""
        n_workers = 4
        runs = 8
        iterations = 150
        [problem]
        kind = "quadratic"
        dim = 20
        [delay]
        kind = "exponential"
        rate_per_s = 1.0
        [scheme]
        kind = "fastest_k"
        n_wait = 2
        step_size = 0.01
        [grid]
        seed = {seeds}
    """
    path = tmp_path / "kill.toml"
    path.write_text(textwrap.dedent(document))
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    command = [str(WORKBENCH), "simulate", str(path), "--jobs", "2", "--out"]
    assert subprocess.run([*command, str(calm)], capture_output=True, timeout=120).returncode == 0
    rng, kills, written_at = random.Random(20261124), 0, {}
    for _ in range(200):
        process = subprocess.Popen(
            [*command, str(killed), "--resume"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        done = Path(killed)
        if kills == 20:
            assert process.wait(timeout=120) == 0
            break
        before = len(list(done.glob("*.nc"))) if done.exists() else 0
        deadline = time.monotonic() + 30
        # Every other time once some work was done, else at any moment, import and writing included.
        if kills % 2 and before < len(seeds):
            while len(list(done.glob("*.nc"))) <= before and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.02))
        else:
            time.sleep(rng.uniform(0, 1.5))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        for file in done.glob("*.nc"):
            written_at.setdefault(file.name, file.stat().st_mtime_ns)
    assert kills == 20
    assert contents(killed) == contents(calm)
    assert all((killed / name).stat().st_mtime_ns == at for name, at in written_at.items())  # written once
