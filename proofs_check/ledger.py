"""The ledger: every numbered claim of a paper, and what became of it; one file a paper in `ledger/`."""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from workbench.core.claims import Grade, Status


class Row(Struct, frozen=True, forbid_unknown_fields=True):
    """One claim.

    key : of its check, for instance onebit_gc/lemma_2
    item, equations : as the paper numbers them
    statement : in our notation
    counterexample : where the printed claim fails: exact numbers that can be followed by hand
    repair, repair_check : the corrected statement, and the key of the check that proves it
    reason : why the evidence is no better, or what the paper leaves open
    slow : left out of `workbench check --quick`
    """

    key: str
    item: str
    statement: str
    status: Status
    grade: Grade
    equations: list[str] = []
    assumes: list[str] = []
    counterexample: str = ""
    repair: str = ""
    repair_check: str = ""
    reason: str = ""
    slow: bool = False

    @property
    def paper(self) -> str:
        """Key of the paper."""
        return self.key.partition("/")[0]

    @property
    def is_ours(self) -> bool:
        """Whether the claim is not the paper's, but what stands in place of one, and is named after it."""
        return self.item.endswith((" repaired", " corrected"))


class Sentence(Struct, frozen=True, forbid_unknown_fields=True):
    """What a paper says of one of its figures.

    key : the finding's, for instance hetero_gc/fig1_near_optimal
    statement : in the paper's words, as far as they stand alone
    outcome : what the figure's numbers say at the paper's scale
    reason : what the paper leaves open, or why its words are not reproduced
    """

    key: str
    statement: str
    outcome: str
    reason: str = ""

    @property
    def figure(self) -> str:
        """Key of the figure, for instance hetero_gc/fig1."""
        paper, _, name = self.key.partition("/")
        return f"{paper}/{name.partition('_')[0]}"


class _Ledger(Struct, forbid_unknown_fields=True):
    title: str
    claim: list[Row]


class _Figures(Struct, forbid_unknown_fields=True):
    sentence: list[Sentence] = []


T = TypeVar("T", Row, Sentence)


@cache
def ledger() -> Mapping[str, Row]:
    """Return the rows by key, paper by paper, in the papers' order.

    Raises
    ------
    ValueError : two rows of one key
    """
    return _by_key([row for found in _ledgers() for row in found.claim])


@cache
def titles() -> Mapping[str, str]:
    """Return authors and title of every paper, by its key."""
    return {found.claim[0].paper: found.title for found in _ledgers()}


@cache
def sentences() -> Mapping[str, Sentence]:
    """Return what the papers say of their figures by key, paper by paper.

    Raises
    ------
    ValueError : two sentences of one key
    """
    documents = _documents("ledger", "figures")
    return _by_key([each for document in documents for each in msgspec.convert(document, _Figures).sentence])


def _ledgers() -> list[_Ledger]:
    return [msgspec.convert(document, _Ledger) for document in _documents("ledger")]


def _documents(*folder: str) -> list[dict[str, Any]]:
    files = [file for file in resources.files("proofs_check").joinpath(*folder).iterdir() if file.is_file()]
    return [tomllib.loads(file.read_text(encoding="utf-8")) for file in sorted(files, key=lambda file: file.name)]


def _by_key(found: Sequence[T]) -> dict[str, T]:
    rows: dict[str, T] = {}
    for row in found:
        if row.key in rows:
            raise ValueError(f"two rows of {row.key} in the ledger")
        rows[row.key] = row
    return rows
