"""The mutation run: a mutant is what it says, a planted one is caught, and a planted survivor is told."""

import os
import pickle
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from operator import getitem
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from mutation import judge, mutants, run
from mutation.mutants import Mutant

HERE = Path(__file__).parent
TOY = '''
    """A docstring of 1 + 2."""
    FACTOR: Final[tuple[int, ...]] = (3,)

    @claim("toy", "Eq. 1", eq=1)
    def eq_1(*, power: int = 2) -> Verdict:
        """Prove 1 + 1."""
        if power < 0:
            raise ValueError(f"{power + 1}")
        rng = np.random.default_rng(5)
        values = [x**power / 7 for x in range(4)]
        positive = (b > 0, c < 9)
        steps = {"é": follows(a <= -values[1], *positive), "b": abs((a) - (1)) < 1e-12 or a**3 * 1.5 > b}
        return settle(claim_of(eq_1), steps, "all of 3 + 4", evidence={"x": 5.0 * 6})
'''
UNBIASED = "proofs_check/onebit_gc/unbiased.py"
PAPERS = {each.name: each for each in run.papers()}
ONEBIT_GC, FASTEST_K = PAPERS["onebit_gc"], PAPERS["fastest_k"]


def replaced(file: str, function: str, old: str, new: str) -> Mutant:
    """Plant a mutant: replace a text that occurs once."""
    source = (run.ROOT / file).read_bytes()
    assert source.count(old.encode()) == 1
    start = source.index(old.encode())
    return Mutant(file, function, "planted", 1, start, start + len(old.encode()), new, old, new)


FORK = """
import pickle, sys
from mutation import judge
tasks, options = pickle.load(sys.stdin.buffer)
pickle.dump(dict(judge.in_children(tasks, **options)), sys.stdout.buffer)
"""


def in_children(
    tasks: Mapping[str, Callable[[], object]], *, jobs: int = 1, timeout_s: float = 60
) -> dict[str, judge.Result]:
    """Fork from a process that has imported nothing that is mutated, and has no threads whose locks a child keeps."""
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        input=pickle.dumps((list(tasks.items()), {"jobs": jobs, "timeout_s": timeout_s})),
        capture_output=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), os.environ["PYTHONPATH"]])},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()
    return pickle.loads(done.stdout)


def judged(mutant: Mutant, names: list[str], known: run.Baseline, paper: run.Paper) -> Callable[[], judge.Result]:
    return partial(run.judge_mutant, run.ROOT, paper, mutant, names, known)


def test_a_mutant_changes_one_number_sign_power_index_or_comparison(tmp_path: Path) -> None:
    source = textwrap.dedent(TOY).encode()
    (tmp_path / "toy.py").write_bytes(source)
    found = mutants.of_file(tmp_path, "toy.py")
    assert {(each.kind, source[each.start : each.end].decode(), each.new) for each in found} == {
        ("constant", "3", "4"),
        ("constant", "2", "3"),
        ("exponent", "power", "(power + 1)"),
        ("factor", "/", "*"),
        ("constant", "7", "8"),
        ("direction", ">", "<"),
        ("constant", "0", "-1"),  # one more would be a stronger premise, and ask for less
        ("direction", "<", ">"),
        ("constant", "9", "10"),
        ("direction", "<=", ">="),
        ("strictness", "<=", "<"),
        ("sign", "-values[1]", "(values[1])"),
        ("index", "1", "2"),
        ("sign", "-", "+"),
        ("constant", "1", "2"),
        ("exponent", "3", "4"),
        ("factor", "*", "/"),
        ("constant", "1.5", "1.6500000000000001"),
    }
    assert {each.function for each in found} == {"FACTOR", "eq_1"}
    assert all(each.changes(source) for each in found)
    sign = next(each for each in found if each.new == "(values[1])")
    assert (sign.line, sign.after) == (13, sign.before.replace("-values[1]", "(values[1])"))


def test_the_sample_is_the_same_every_time_and_takes_the_kinds_in_turn() -> None:
    places = mutants.of_file(run.ROOT, UNBIASED)
    drawn = mutants.chosen(places, 4, "seed")
    assert drawn == mutants.chosen(places, 4, "seed")
    assert len({each.kind for each in drawn}) == 4
    assert len(mutants.chosen(places, 10**6, "seed")) == len(places)


def test_a_planted_mutant_of_a_check_is_caught_and_an_equal_formula_survives() -> None:
    known = run.Baseline({f"{UNBIASED}::eq_10": {"verdict": ["proved", "proved"], "evidence": {"steps": 2.0}}})
    other = run.Baseline({f"{UNBIASED}::eq_10": {"verdict": ["proved", "proved"], "evidence": {"steps": 3.0}}})
    wrong = replaced(UNBIASED, "eq_10", "expected_sign = up - down", "expected_sign = up + down")
    broken = replaced(UNBIASED, "eq_10", "expected_sign = up - down", "expected_sign = up[0]")
    same = replaced(UNBIASED, "eq_10", "half + f / (2 * norm), ", "half + f / norm / 2, ")
    planted = {"wrong": (wrong, known), "broken": (broken, known), "same": (same, known), "other": (same, other)}
    found = in_children(
        {name: judged(mutant, [f"{UNBIASED}::eq_10"], base, ONEBIT_GC) for name, (mutant, base) in planted.items()}
    )
    assert found["wrong"]["caught"].endswith("the proof fails at: one worker")
    assert "TypeError" in found["broken"]["caught"]
    assert found["same"] == {"caught": "", "noticed": False}
    assert found["other"] == {"caught": "", "noticed": True}


def test_a_planted_mutant_of_a_bound_fails_a_test(tmp_path: Path) -> None:
    test = tmp_path / "test_planted.py"
    test.write_text("from workbench.bounds import fastest_k\n\ndef test_two():\n    assert fastest_k._seconds(1.0)")
    wrong = replaced(FASTEST_K.bounds, "_seconds", "np.any(seconds < 0)", "np.any(seconds > 0)")
    paper = replace(FASTEST_K, tests=str(test))
    found = in_children({"wrong": judged(wrong, ["tests"], run.Baseline(), paper)})
    assert found["wrong"]["caught"].endswith("::test_two")


def test_a_helper_is_judged_by_the_checks_that_reach_it_and_a_constant_by_those_that_name_it() -> None:
    here = "proofs_check/fastest_k/example_1.py"
    results = {
        f"{here}::number_589": {"reached": [f"{here}::number_589", f"{here}::_switches_at"], "seconds": 2.0},
        f"{here}::example_1_repaired": {"reached": [f"{here}::_mean", f"{here}::_switches_at"], "seconds": 1.0},
    }
    names = [
        run.judges(run.ROOT, FASTEST_K, Mutant(here, function, "", 1, 0, 1, "", "", ""), run.Baseline(results))
        for function in ("_switches_at", "_mean", "ETA_C", "number_589")
    ]
    both = [f"{here}::example_1_repaired", f"{here}::number_589"]
    assert names == [both, both[:1], [], both[1:]]  # ETA_C is used in _alpha, which neither has reached
    bound = Mutant(FASTEST_K.bounds, "lemma_1", "", 1, 0, 1, "", "", "")
    assert run.judges(run.ROOT, FASTEST_K, bound, run.Baseline(results)) == ["tests"]


def test_constants_assigned_together_are_judged_by_the_checks_that_name_one_of_them() -> None:
    here = "proofs_check/compskip/experiments.py"
    paper = next(each for each in run.papers() if each.name == "compskip")
    owner = next(each.function for each in mutants.of_file(run.ROOT, here) if "WORKERS" in each.function)
    assert "," in owner
    results = {f"{here}::{name}": {"reached": [f"{here}::{name}"], "seconds": 1.0} for name in ("stranger",)}
    users = {name for name, is_function, uses in run._named(run.ROOT, here) if is_function and "WORKERS" in uses}
    results |= {f"{here}::{name}": {"reached": [f"{here}::{name}"], "seconds": 1.0} for name in users}
    mutant = Mutant(here, owner, "", 1, 0, 1, "", "", "")
    named = {name.partition("::")[2] for name in run.judges(run.ROOT, paper, mutant, run.Baseline(results))}
    assert users
    assert users <= named
    assert "stranger" not in named


def test_what_takes_too_long_or_breaks_down_is_a_result() -> None:
    tasks = {"slow": partial(time.sleep, 60), "quick": partial(dict, caught="yes"), "gone": partial(sys.exit, 3)}
    begin = time.monotonic()
    results = in_children(tasks, jobs=2, timeout_s=1)
    assert results["slow"] == {"timeout": True}
    assert results["quick"] == {"caught": "yes"}
    assert "without a result" in results["gone"]["raised"]
    assert time.monotonic() - begin < 20
    with pytest.raises(AssertionError, match="RuntimeError: KeyError"):
        in_children({"ours": partial(getitem, {}, "x")}, timeout_s=5)


def test_the_report_tells_survivors_and_fails_below_95_percent(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"file": "a.py", "line": 3, "function": "eq_1", "kind": "sign", "before": "x + y", "after": "x - y"}
    caught, left = row | {"caught": "eq_1", "noticed": False}, row | {"caught": "", "noticed": True}
    assert run.report({"toy": [caught] * 19 + [left]}, {}, {}) == 0
    said = capsys.readouterr().out
    assert "a.py:3 eq_1: sign, survived\n  - x + y\n  + x - y\n  NOT EXPLAINED (the evidence shows it)" in said
    why = {("a.py", "x + y", "x - y"): "y is 0"}
    assert run.report({"toy": [caught] * 18 + [left]}, {}, why) == 1, "an explained survivor is one"
    assert "y is 0" in capsys.readouterr().out
    assert run.report({"toy": [caught]}, {"toy": ["eq_1: red"]}, why) == 1
    said = capsys.readouterr().out
    assert "no pass unmutated: eq_1: red" in said
    assert "is caught now, take it out" in said


def test_every_explanation_is_of_a_line_that_is_there() -> None:
    known: dict[str, set[tuple[str, str]]] = {}
    for file, before, after in run.explanations():
        if file not in known:
            known[file] = {(each.before, each.after) for each in mutants.of_file(run.ROOT, file)}
        assert (before, after) in known[file], f"survivors.toml: {file} has no mutant {after}"
