"""`workbench check`: the ledger has a row for every check of its papers, and a verdict that changes is noticed."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from proofs_check import ledger as ledger_module
from proofs_check import registry
from proofs_check.ledger import ledger
from workbench.cli import main
from workbench.core.claims import Claim, Grade, Status, Verdict, claim_of


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


CHECKS, ROWS = registry.checks(), ledger()
LAST_EQUATION = {"compskip": 26, "fastest_k": 26, "hetero_gc": 78, "onebit_gc": 57, "quantimed": 11}
NUMBERED = {  # what the papers number besides equations
    "compskip": {"algorithm_1", "lemma_1", "lemma_2", "theorem_1", "table_1", "table_2"}
    | {f"assumption_{i}" for i in (1, 2, 3, 4)},
    "fastest_k": {"algorithm_1", "example_1", "lemma_1", "proposition_1", "remark_1", "theorem_1"}
    | {f"assumption_{i}" for i in (1, 2, 3)},
    "hetero_gc": {"assumption_1", "lemma_1", "lemma_2", "proposition_2", "theorem_1", "theorem_2", "theorem_3"},
    "onebit_gc": {"definition_1", "lemma_2", "theorem_1", "theorem_2", "theorem_3"},
    "quantimed": {"algorithm_1", "remark_1", "remark_2", "theorem_1", "theorem_2"}
    | {f"assumption_{i}" for i in range(1, 6)},
}
REPLAYED = {"fastest_k/algorithm_1_repaired"}  # a repair that is a program, and not proved but run


def test_rows_and_checks_match_one_to_one():
    assert set(ROWS) == set(CHECKS)
    assert {row.paper for row in ROWS.values()} == set(LAST_EQUATION)


@pytest.mark.parametrize("paper", LAST_EQUATION)
def test_every_equation_and_every_numbered_item_has_a_row(paper):
    rows = [row for row in ROWS.values() if row.paper == paper]
    assert {int(each) for row in rows for each in row.equations} == set(range(1, LAST_EQUATION[paper] + 1))
    assert {f"{paper}/{name}" for name in NUMBERED[paper]} <= set(ROWS)


@pytest.mark.parametrize("module", ["z3", "flint"])
@pytest.mark.parametrize("command", [("check", "hetero_gc/eq_22"), ("report",)])
def test_what_a_proof_needs_is_named_before_the_work(
    command: tuple[str, ...],
    module: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["workbench", *command, "--jobs", "1"])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert said.splitlines()[-1].endswith(f"a proof needs {module}: pip install 'straggler-workbench[proofs]'")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", ROWS)
def test_the_check_says_what_the_ledger_says(key):
    verdict, row = CHECKS[key](), ROWS[key]
    assert (verdict.status, verdict.grade) == (row.status, row.grade), verdict.explanation
    assert not verdict.explanation.startswith("the proof fails at")
    assert verdict.claim == claim_of(CHECKS[key])
    assert verdict.claim.key == key == f"{row.paper}/{CHECKS[key].__name__.rstrip('_')}"
    assert (verdict.claim.name, list(verdict.claim.assumes)) == (row.item, row.assumes)
    assert verdict.claim.equation is None or str(verdict.claim.equation) in row.equations


@pytest.mark.parametrize("key", ROWS)
def test_what_fails_has_a_counterexample_and_a_proved_repair(key):
    row = ROWS[key]
    assert row.statement
    if row.status in (Status.REFUTED, Status.OUTSIDE_ASSUMPTIONS, Status.HOLDS_WITH_ERRATUM):
        assert row.counterexample
        assert row.repair
    if row.status is Status.REFUTED or row.repair_check:
        assert ROWS[row.repair_check].status is Status.PROVED or row.repair_check in REPLAYED
    assert row.grade is Grade.PROVED or row.reason


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
        (tmp_path / "ledger" / f"{name}.toml").write_text(f'title = "A"\n[[claim]]\n{row}')
    monkeypatch.setattr(ledger_module.resources, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match="two rows of a/b"):
        ledger_module.ledger.__wrapped__()
