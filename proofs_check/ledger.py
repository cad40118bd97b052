"""The ledger: every numbered claim of a paper, and what became of it; one file a paper in `ledger/`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

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


class _Ledger(Struct, forbid_unknown_fields=True):
    claim: list[Row]


@cache
def ledger() -> Mapping[str, Row]:
    """Return the rows by key, paper by paper, in the papers' order.

    Raises
    ------
    ValueError : two rows of one key
    """
    rows: dict[str, Row] = {}
    for file in sorted((resources.files("proofs_check") / "ledger").iterdir(), key=lambda file: file.name):
        for row in msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), _Ledger).claim:
            if row.key in rows:
                raise ValueError(f"two rows of {row.key} in the ledger")
            rows[row.key] = row
    return rows
