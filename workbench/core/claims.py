"""Claims of the papers, bounds computed from them, and verdicts about them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ParamSpec, TypeVar

from workbench.core.types import FloatArray

P = ParamSpec("P")
R = TypeVar("R")


class Status(StrEnum):
    """What became of a claim."""

    PROVED = "proved"
    HOLDS = "holds"
    HOLDS_WITH_ERRATUM = "holds_with_erratum"
    REFUTED = "refuted"
    OUTSIDE_ASSUMPTIONS = "outside_assumptions"
    UNDERDETERMINED = "underdetermined"


class Grade(StrEnum):
    """What a verdict rests on, strongest first."""

    PROVED = "proved"
    RIGOROUS_NUMERICS = "rigorous numerics"
    ENUMERATED = "enumerated"
    TESTED = "tested"


@dataclass(frozen=True)
class Claim:
    """A numbered statement of a paper."""

    paper: str
    name: str
    equation: int | None = None
    assumes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The claim's name in the ledger, for instance hetero_gc/theorem_2 or onebit_gc/eq_39."""
        return f"{self.paper}/{re.sub(r'[^a-z0-9]+', '_', self.name.lower()).strip('_')}"


@dataclass(frozen=True)
class Bound:
    """An upper bound on `quantity`: a number, or a curve over the checkpoints it was asked for."""

    value: FloatArray
    quantity: str


@dataclass(frozen=True)
class Assumption:
    """One assumption of a claim, looked at: it holds, it does not, or nothing can be said (None)."""

    name: str
    holds: bool | None
    evidence: str


@dataclass(frozen=True)
class Verdict:
    """What became of a claim, what that rests on, and the numbers behind it."""

    claim: Claim
    status: Status
    grade: Grade
    explanation: str
    evidence: Mapping[str, float] = field(default_factory=dict)
    assumptions: tuple[Assumption, ...] = ()


def claim(
    paper: str, name: str, *, eq: int | None = None, assumes: tuple[str, ...] = ()
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function as the bound or the check of one claim; `claim_of` reads the mark back."""
    mark = Claim(paper, name, eq, assumes)

    def attach(function: Callable[P, R]) -> Callable[P, R]:
        function.claim = mark  # type: ignore[attr-defined]
        return function

    return attach


def claim_of(function: Callable[..., object]) -> Claim:
    """Return the claim that `function` was marked with."""
    mark = getattr(function, "claim", None)
    if not isinstance(mark, Claim):
        raise TypeError(f"{function!r} carries no claim: decorate it with @claim(paper, name)")
    return mark
