"""`workbench check`: the ledger has a row for every check of its papers, and a verdict that changes is noticed."""

import json
import sys
from collections.abc import Callable

import pytest

from proofs_check import ledger as ledger_module
from proofs_check import registry
from proofs_check.ledger import ledger
from workbench.cli import main
from workbench.core.claims import Claim, Grade, Status, Verdict


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["workbench", "check", "--jobs", "1", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return (code, *capsys.readouterr())

    return call


def test_rows_and_checks_of_a_paper_in_the_ledger_match_one_to_one():
    rows, papers = ledger(), {row.paper for row in ledger().values()}
    assert papers >= {"onebit_gc", "fastest_k"}
    assert set(rows) == {key for key in registry.checks() if key.partition("/")[0] in papers}
    for row in rows.values():
        assert row.statement
        assert not row.repair_check or row.repair_check in rows
        assert row.grade is not Grade.TESTED or row.reason
        assert row.status is not Status.REFUTED or (row.counterexample and row.repair)


OPEN = [key for key in registry.checks() if key not in ledger()]  # checks that have no row yet


@pytest.mark.parametrize("key", OPEN)
def test_a_check_without_a_row_goes_through(key):
    verdict = registry.checks()[key]()
    assert verdict.claim.key == key
    assert not verdict.explanation.startswith("the proof fails at")


def test_json_has_what_tools_rely_on(run):
    code, out, _ = run("fastest_k/theorem_1", "--json")
    (found, *_) = json.loads(out)
    assert code == 0
    assert {"key", "status", "grade", "evidence", "counterexample", "repair", "seconds"} <= set(found)
    assert found["key"].startswith("fastest_k/theorem_1")
    assert all(isinstance(value, float) for value in found["evidence"].values())


def test_a_verdict_that_is_not_the_ledgers_ends_with_1(run, monkeypatch):
    key = "fastest_k/theorem_1"
    other = Verdict(Claim("fastest_k", "Theorem 1"), Status.UNDERDETERMINED, Grade.TESTED, "spoiled for the test")
    monkeypatch.setattr(registry, "checks", lambda: {each: lambda: other for each in ledger()})
    code, out, _ = run(key)
    assert code == 1
    assert "not fastest_k/theorem_1" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("nothing",), "no claim begins with 'nothing'"), (("--paper", "x"), "unknown paper 'x': choose one of")],
)
def test_unknown_claims_are_refused_in_one_line(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_two_rows_of_one_key_are_a_mistake(tmp_path, monkeypatch):
    row = 'key = "a/b"\nitem = "B"\nstatement = "x"\nstatus = "proved"\ngrade = "proved"\n'
    (tmp_path / "ledger").mkdir()
    for name in ("a", "b"):
        (tmp_path / "ledger" / f"{name}.toml").write_text(f"[[claim]]\n{row}")
    monkeypatch.setattr(ledger_module.resources, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match="two rows of a/b"):
        ledger_module.ledger.__wrapped__()
