"""The time left that a bar shows, by a clock of the test's own."""

import io
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from workbench.cli import progress
from workbench.cli.sweep import sweep

CONFIG = """
    n_workers = 3
    runs = 2
    iterations = 4
    problem = { kind = "quadratic", dim = 3 }
    delay = { kind = "bernoulli", straggle_prob = 0.2 }
    scheme = { kind = "wait_for_all", step_size = 0.1 }
    grid = { seed = [0, 1, 2, 3, 4, 5] }
"""


def shown(moves: Sequence[float], at: float) -> str:
    """What a bar over six equal pieces says at a moment, one piece being done at each move."""
    now = 1000.0
    told = io.StringIO()
    console = Console(file=told, force_terminal=True, width=80)
    with progress.bar("pieces", 6, console=console, clock=lambda: now) as advance:
        for moment in moves:
            now = 1000.0 + moment
            advance(1)
        now = 1000.0 + at
    return told.getvalue().split(" left")[-2].split()[-1].rpartition("m")[-1]


@pytest.mark.parametrize(
    ("moves", "at", "left"),
    [
        ([], 20, "-:--:--"),
        ([33], 33, "0:02:45"),  # longer than rich looks back
        ([33], 50, "0:02:28"),  # it counts down in between
        ([33, 66, 99, 132, 165], 168, "0:00:30"),
        ([33, 33.5], 38, "0:01:02"),  # two at a time, which are done almost at once
        ([1], 5, "0:00:01"),
        ([1], 86, "0:01:20"),  # late by 80 s, and perhaps by 80 s more
        ([4000], 4000, "5:33:20"),
        ([1, 2, 3, 4, 5, 6], 7, "0:00:00"),
    ],
)
def test_time_left_goes_by_all_that_was_done(moves: list[float], at: float, left: str) -> None:
    assert shown(moves, at) == left


def test_equal_pieces_are_foreseen_to_the_second() -> None:
    for seconds in range(33, 198):
        done = seconds // 33
        assert progress.time_left(done, 6, 33 * done, seconds) == pytest.approx(198 - seconds)


def test_what_was_there_before_is_no_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[list[float]] = []

    @contextmanager
    def bar(text: str, total: float, **_: object) -> Iterator[Callable[[float], None]]:
        bars.append([total])
        yield bars[-1].append

    monkeypatch.setattr(progress, "bar", bar)
    path = tmp_path / "sweep.toml"
    path.write_text(textwrap.dedent(CONFIG))

    def run() -> None:
        sweep(str(path), out=None, jobs=1, cluster=None, resume=True, as_json=True)

    run()
    for result in sorted(path.with_suffix(".results").iterdir())[:2]:
        result.unlink()
    run()
    assert bars == [[6, 6], [48, *[8] * 6], [2, 2], [16, 8, 8]]  # checked, run
