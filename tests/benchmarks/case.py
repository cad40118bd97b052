"""What a benchmark case is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Target:
    """What is hoped for of our own contender; None or empty: nothing."""

    seconds: float | None = None
    mib: float | None = None
    faster_than: dict[str, float] = field(default_factory=dict)  # by this factor at least
    at_most: dict[str, float] = field(default_factory=dict)  # this many times its seconds


@dataclass(frozen=True)
class Case:
    """Contenders by name, ours first, and a line on how far their answers agree.

    work : units that a contender does in one run, for instance run-iterations; its seconds are told for one of them
    """

    contenders: dict[str, Callable[[], Any]]
    agreement: Callable[[dict[str, Any]], str]
    target: Target
    work: dict[str, float] = field(default_factory=dict)
