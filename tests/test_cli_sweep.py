"""`workbench simulate CONFIG.toml` as a user meets it: tables, resumption, interruption."""

import json
import os
import pty
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.engine.store import Store

WORKBENCH = Path(sys.executable).parent / "workbench"
CONFIG = """
    n_workers = 4
    runs = {runs}
    iterations = {iterations}
    [problem]
    kind = "least_squares"
    dim = 5
    [delay]
    kind = "bernoulli"
    straggle_prob = 0.1
    [[scheme]]
    kind = "fastest_k"
    step_size = 0.02
    grid = {{ n_wait = [1, 3] }}
    [[scheme]]
    kind = "wait_for_all"
    step_size = {wait_step}
    [grid]
    seed = [0, 1]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return written(tmp_path / "sweep.toml")


def written(path: Path, *, runs: int = 3, iterations: int = 5, wait_step: float = 0.02) -> Path:
    path.write_text(textwrap.dedent(CONFIG.format(runs=runs, iterations=iterations, wait_step=wait_step)))
    return path


def simulate(*arguments: str | Path, columns: int = 80) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [WORKBENCH, "simulate", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"COLUMNS": str(columns)},
        check=False,
    )


def test_a_line_for_each_configuration_in_eighty_columns(config: Path) -> None:
    done = simulate(config)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    rows = [line for line in lines if line.startswith(("fastest_k n_wait=", "wait_for_all"))]
    assert len(rows) == 6
    assert any("never" in row for row in rows[4:])  # somebody is waited for who does not answer
    assert "6 configurations, 6 to run" in done.stderr
    assert len(list(config.with_suffix(".results").glob("*.nc"))) == 6


def test_results_are_gone_on_with_only_when_asked(config: Path, tmp_path: Path) -> None:
    assert simulate(config, "--out", tmp_path / "here").returncode == 0
    again = simulate(config, "--out", tmp_path / "here")
    assert (again.returncode, again.stdout, again.stderr.count("\n")) == (2, "", 1)
    assert "holds 6 results, 6 of them of this sweep's 6: add --resume" in again.stderr
    resumed = simulate(config, "--out", tmp_path / "here", "--resume", "--json")
    assert resumed.returncode == 0
    assert "6 configurations, 0 to run" in resumed.stderr
    results = json.loads(resumed.stdout)["results"]
    assert [(each["label"], each["seed"], each["runs"]) for each in results[:3]] == [
        ("fastest_k n_wait=1", 0, 3),
        ("fastest_k n_wait=3", 0, 3),
        ("fastest_k n_wait=1", 1, 3),
    ]


def test_divergence_is_told_as_a_rate(tmp_path: Path) -> None:
    config = written(tmp_path / "far.toml", iterations=400, wait_step=1e6)
    done = simulate(config, "--json")
    results = {each["label"]: each for each in json.loads(done.stdout)["results"]}
    assert results["wait_for_all"]["diverged_rate"] == 1
    assert results["wait_for_all"]["loss"]["mean"] is None
    assert results["fastest_k n_wait=3"]["diverged_rate"] == 0
    shown = simulate(config, "--resume").stdout
    assert "diverged" in next(line for line in shown.splitlines() if line.startswith("wait_for_all"))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nonsense", "'nonsense' is no address of a Dask scheduler: write tcp://host:port"),
        ("tcp://127.0.0.1:1", "no Dask scheduler answers at tcp://127.0.0.1:1"),
    ],
)
def test_a_scheduler_that_is_not_there_is_one_line(config: Path, address: str, message: str) -> None:
    done = simulate(config, "--cluster", address)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr.splitlines()[-1]
    assert done.stderr.count("\n") == 2  # the first says how much there is to do


def interrupted(config: Path, store: Path) -> tuple[int, int, str]:
    """Simulate on a terminal, and press Ctrl-C once a result is there: results by then, exit code, what was said."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [WORKBENCH, "simulate", config, "--jobs", "1"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said: list[bytes] = []

    def listen() -> None:
        try:
            while data := os.read(ours, 65536):
                said.append(data)
        except OSError:  # the other end is closed
            pass

    listener = threading.Thread(target=listen)
    listener.start()
    deadline = time.monotonic() + 60
    while not list(store.glob("*.nc")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    by_then = len(list(store.glob("*.nc")))
    os.killpg(process.pid, signal.SIGINT)
    code = process.wait(timeout=60)
    listener.join(timeout=60)
    os.close(ours)
    return by_then, code, b"".join(said).decode()


def test_interruption_leaves_a_valid_store_and_says_how_to_go_on(tmp_path: Path) -> None:
    for attempt in range(3):  # a busy machine may wake this test only when the sweep is over
        config = written(tmp_path / f"long{attempt}.toml", runs=40, iterations=4000)
        store = config.with_suffix(".results")
        by_then, code, text = interrupted(config, store)
        if by_then < 6:
            break
    kept = len(list(store.glob("*.nc")))
    assert 1 <= kept < 6
    assert code == 130
    assert "run-iterations" in text
    assert f"interrupted with {kept} of 6 results in {store}: --resume goes on" in " ".join(text.split())
    assert not list(store.glob(".*"))
    assert simulate(config, "--resume").returncode == 0


@pytest.mark.parametrize(
    ("number", "send", "code"),
    [
        (signal.SIGINT, os.killpg, 130),  # Ctrl-C reaches the whole group
        (signal.SIGTERM, os.kill, 143),
        (signal.SIGKILL, os.kill, -signal.SIGKILL),
    ],
)
def test_two_processes_end_with_their_parent(
    number: signal.Signals, send: Callable[[int, int], None], code: int, tmp_path: Path
) -> None:
    for attempt in range(3):  # a busy machine may wake this test only when the sweep is over
        config = written(tmp_path / f"long{attempt}.toml", runs=40, iterations=2000)
        store = config.with_suffix(".results")
        process = subprocess.Popen(
            [WORKBENCH, "simulate", config, "--jobs", "2"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while not list(store.glob("*.nc")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        send(process.pid, number)
        said = process.communicate(timeout=60)[1]  # workers and trackers hold the pipe, too, until they end
        if process.returncode != 0:
            break
    kept = len(list(store.glob("*.nc")))
    assert process.returncode == code
    assert 1 <= kept < 6
    if number != signal.SIGKILL:
        interrupted = f"workbench: interrupted with {kept} of 6 results in {store}: --resume goes on"
        assert said.splitlines()[1:] == ["", interrupted]
    assert len(Store(store).whole()) == kept


def test_a_mistake_in_one_configuration_is_one_line_before_any_work(tmp_path: Path) -> None:
    config = written(tmp_path / "sweep.toml")
    config.write_text(config.read_text().replace("[1, 3]", "[1, 5]"))
    done = simulate(config)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "workbench: fastest_k n_wait=5: n_wait is 5: wait for at least 1 and at most all 4 workers\n"
    assert not config.with_suffix(".results").exists()
