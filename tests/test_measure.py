"""Recording a log from real processes, and writing files whole."""

import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from workbench.cli import app
from workbench.core.atomic import write_atomically
from workbench.core.errors import InputError
from workbench.stragglers.log import read_log
from workbench.stragglers.measure import measure


def test_records_a_readable_log_and_trains(tmp_path: Path) -> None:
    out = tmp_path / "t.csv"
    options = ["--workers", "2", "--rounds", "4", "--size", "500", "--out", str(out)]
    result = CliRunner().invoke(app, ["measure", *options])
    assert result.exit_code == 0, result.output
    assert "round 4/4" in result.stderr
    log = read_log(out)
    assert log.response_s.shape == (4, 2)
    assert out.read_text().startswith("round,worker,response_s\n0,0,")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def children() -> set[int | None]:
    """Processes of this one; a pool of another test may be among them."""
    return {child.pid for child in multiprocessing.active_children()}


def test_loss_falls_and_no_process_is_left() -> None:
    losses: list[float] = []
    before = children()
    environment = dict(os.environ)
    response_s = measure(2, 6, rows=500, progress=lambda _done, loss: losses.append(loss))
    assert np.all((response_s > 0) & (response_s < 60))
    assert losses[-1] < 0.5 * losses[0]
    assert children() == before
    assert dict(os.environ) == environment


def test_dead_worker_is_reported() -> None:
    before = children()

    def kill(done: int, _loss: float) -> None:
        if done == 2:
            os.kill(min(pid for pid in children() - before if pid), signal.SIGKILL)

    with pytest.raises(InputError, match=r"worker process \d died"):
        measure(2, 50, rows=500, progress=kill)
    assert children() == before


def test_interruption_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.cli.measure.measure", interrupted)
    result = CliRunner().invoke(app, ["measure", "--out", str(tmp_path / "t.csv")])
    assert result.exit_code != 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((1, 5, 500), "workers is 1"), ((2, 1, 500), "rounds is 1"), ((2, 2, 10), "smallest part has 10 rows")],
)
def test_sizes_are_checked(arguments: tuple[int, int, int], message: str) -> None:
    workers, rounds, rows = arguments
    with pytest.raises(InputError, match=message):
        measure(workers, rounds, rows=rows)


def test_write_is_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    for place in (tmp_path, tmp_path / "absent" / "a.txt"):
        with pytest.raises(InputError, match="cannot be written"):
            write_atomically(place, b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]
