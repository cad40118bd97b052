"""Change one number, sign, power, index or comparison in each bound and each check, and see whether it is noticed.

    PYTHONPATH=tests python -m mutation.run [--paper KEY ...] [--jobs 2] [--fresh]

A check's mutant is caught when the check's status or grade is not the ledger's any more, or when it raises; a bound's
mutant when a test of tests/test_bounds_<paper>.py fails, or a check that uses the bound notices. A helper or a named
constant is judged by every check that reaches it. A changed number in the evidence alone is told, and not counted.

mutmut and cosmic-ray mutate whole packages and ask a test suite. Here a mutant belongs to one claim and is to be
noticed by the check of that very claim, against the ledger; only formulas are mutated; and a check takes milliseconds
where a process with sympy and z3 takes seconds. Hence our own runner, over `ast` and forked processes.

The results so far are in build/mutation.json, and those of a paper whose files have not changed are not asked again.
"""

import argparse
import ast
import hashlib
import json
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mutation import judge, mutants
from mutation.judge import Result
from mutation.mutants import Mutant

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / "build" / "mutation.json"
EXPLAINED = Path(__file__).with_name("survivors.toml")
LEAST_CAUGHT = 0.95
LEAST_MUTANTS = 300
PER_BOUND, PER_CHECK, PER_HELPER = 4, 2, 1
TIMEOUT_S = 45.0  # more than z3 takes to give up once
SAVE_EVERY = 20


@dataclass(frozen=True)
class Paper:
    """Where a paper's bounds and checks are, and what judges them."""

    name: str
    bounds: str  # file below the root
    checks: tuple[str, ...]
    tests: str

    def files(self) -> list[str]:
        return [self.bounds, self.tests, *self.checks]


@dataclass
class Baseline:
    """What the unmutated paper says."""

    checks: dict[str, Result] = field(default_factory=dict)  # by "file::function"
    red: list[str] = field(default_factory=list)  # checks that differ from the ledger, and failing tests


def papers(root: Path = ROOT) -> list[Paper]:
    """Find the papers by their files."""
    bounds = {path.stem: path for path in sorted((root / "workbench/bounds").glob("[!_]*.py"))}
    found = []
    for name, path in bounds.items():
        checks = tuple(str(each.relative_to(root)) for each in sorted((root / "proofs_check" / name).glob("*.py")))
        tests = root / f"tests/test_bounds_{name}.py"
        found.append(Paper(name, str(path.relative_to(root)), checks, str(tests.relative_to(root))))
    return found


def check_names(root: Path, paper: Paper) -> list[str]:
    """Return the paper's checks as "file::function": functions marked with its claims."""
    return [
        f"{file}::{statement.name}"
        for file in paper.checks
        for statement in ast.parse((root / file).read_bytes()).body
        if isinstance(statement, ast.FunctionDef)
        and any(ast.unparse(mark).startswith(f"claim('{paper.name}'") for mark in statement.decorator_list)
    ]


def baseline(root: Path, paper: Paper, *, jobs: int) -> Baseline:
    """Run every check and the tests unmutated."""
    file = root / f"proofs_check/ledger/{paper.name}.toml"
    rows = {row["key"]: row for row in tomllib.loads(file.read_text("utf-8"))["claim"]}
    names = check_names(root, paper)
    tasks: list[tuple[str, Callable[[], Result]]] = [("tests", partial(judge.run_tests, root / paper.tests))]
    for name in names:
        module, function = judge.module_name(name.partition("::")[0]), name.partition("::")[2]
        tasks.append((name, partial(judge.run_check_traced, module, function, root)))
    found = Baseline()
    for name, result in judge.in_children(tasks, jobs=jobs, timeout_s=10 * TIMEOUT_S):
        if name == "tests":
            failed = result.get("failed", "no result in time")
            found.red += [f"{paper.tests}: {failed}"] if failed else []
            continue
        row = rows.get(result.get("key", ""))
        if row is None or result["verdict"] != [row["status"], row["grade"]]:
            found.red.append(f"{name}: {result.get('raised') or result.get('verdict') or 'timeout'}")
        else:
            found.checks[name] = result
    return found


def judges(root: Path, paper: Paper, mutant: Mutant, known: Baseline) -> list[str]:
    """Name what should notice the mutant: "tests", or checks, the quickest first; a check judges its own formulas."""
    owner = f"{mutant.file}::{mutant.function}"
    if owner in known.checks:
        return [owner]
    owners = _users(root, paper, mutant)
    reaching = [name for name, result in known.checks.items() if owners & set(result["reached"])]
    reaching.sort(key=lambda name: known.checks[name]["seconds"])
    return [*(["tests"] if mutant.file == paper.bounds else []), *reaching]


def _users(root: Path, paper: Paper, mutant: Mutant) -> set[str]:
    """The function itself, or the functions that name a constant, directly or through other constants."""
    found = [(file, *each) for file in (paper.bounds, *paper.checks) for each in _named(root, file)]
    if (mutant.file, mutant.function, True) in [each[:3] for each in found]:
        return {f"{mutant.file}::{mutant.function}"}
    names: set[str] = set()
    grown = set(mutants.names_in(mutant.function))
    while grown != names:
        names = grown
        grown = names | {name for _, name, is_function, uses in found if not is_function and uses & names}
    return {f"{file}::{name}" for file, name, is_function, uses in found if is_function and uses & names}


def _named(root: Path, file: str) -> list[tuple[str, bool, set[str]]]:
    """Return the names that a module defines, whether each is a function or class, and what each uses."""
    found = []
    for statement in ast.parse((root / file).read_bytes()).body:
        uses = {each.id for each in ast.walk(statement) if isinstance(each, ast.Name)}
        uses |= {each.attr for each in ast.walk(statement) if isinstance(each, ast.Attribute)}
        is_function = isinstance(statement, ast.FunctionDef | ast.ClassDef)
        found += [(name, is_function, uses) for name in mutants.names_in(mutants.name_of(statement))]
    return found


def sample(root: Path, paper: Paper, known: Baseline, seed: str, scale: int = 1) -> list[Mutant]:
    """Draw the mutants of a paper: some of every bound, every check and every helper, of those that are judged.

    Parameters
    ----------
    scale : multiple of the usual numbers of mutants
    """
    drawn: list[Mutant] = []
    for file in (paper.bounds, *paper.checks):
        owners: dict[str, list[Mutant]] = {}
        for each in mutants.of_file(root, file):
            owners.setdefault(each.function, []).append(each)
        source = (root / file).read_bytes()
        for owner, places in owners.items():
            public_bound = file == paper.bounds and not owner.startswith("_") and owner.lower() == owner
            is_check = f"{file}::{owner}" in known.checks
            count = scale * (PER_BOUND if public_bound else PER_CHECK if is_check else PER_HELPER)
            for each in mutants.chosen(places, len(places), f"{seed}/{file}/{owner}"):
                if not count:
                    break
                if each.changes(source) and judges(root, paper, each, known):
                    drawn.append(each)
                    count -= 1
    return drawn


def judge_mutant(root: Path, paper: Paper, mutant: Mutant, names: Sequence[str], known: Baseline) -> Result:
    """Ask the judges in turn until one notices; to be called in a child."""
    judge.install(root, mutant.file, mutant.apply((root / mutant.file).read_bytes()))
    noticed = False
    for name in names:
        if name == "tests":
            failed = judge.run_tests(root / paper.tests)["failed"]
            if failed:
                return {"caught": failed}
            continue
        file, _, function = name.partition("::")
        before, after = known.checks[name], judge.run_check(judge.module_name(file), function)
        if "raised" in after:
            return {"caught": f"{function}: {after['raised']}"}
        if after["verdict"] != before["verdict"]:
            return {"caught": f"{function}: {after['explanation']}"}
        noticed |= after["evidence"] != before["evidence"]
    return {"caught": "", "noticed": noticed}


def fingerprint(root: Path, paper: Paper) -> str:
    """Hash what the results rest on: the paper's files, its ledger, the proofs' tools, and this package."""
    files = [root / each for each in paper.files()]
    files += sorted((root / "proofs_check/tools").glob("*.py")) + sorted(Path(__file__).parent.glob("*.py"))
    files += [root / f"proofs_check/ledger/{paper.name}.toml"]
    digest = hashlib.sha256()
    for each in files:
        digest.update(each.read_bytes())
    return digest.hexdigest()


def explanations(path: Path = EXPLAINED) -> dict[tuple[str, str, str], str]:
    """Read why known survivors are no weakness, by file, line before and line after."""
    rows = tomllib.loads(path.read_text("utf-8"))["survivor"]
    return {(row["file"], row["before"], row["after"]): row["why"] for row in rows}


def report(results: dict[str, list[Result]], red: dict[str, list[str]], why: dict[tuple[str, str, str], str]) -> int:
    """Print the survivors and a table by paper; return 1 below 95%, or where the unmutated paper is red already."""
    told = set()
    for paper, rows in results.items():
        for row in rows:
            if row["caught"]:
                continue
            reason = why.get((row["file"], row["before"], row["after"]), "")
            told.add((row["file"], row["before"], row["after"]))
            print(f"\n{row['file']}:{row['line']} {row['function']}: {row['kind']}, survived")
            print(f"  - {row['before']}\n  + {row['after']}")
            print(f"  {reason or 'NOT EXPLAINED'}{' (the evidence shows it)' if row['noticed'] else ''}")
        for each in red.get(paper, []):
            print(f"\n{paper}: not judged, as it is no pass unmutated: {each}")
    caught_all = {(row["file"], row["before"], row["after"]) for rows in results.values() for row in rows} - told
    for file, before, after in sorted(set(why) & caught_all):
        print(f"\nsurvivors.toml: {file}: this one is caught now, take it out:\n  - {before}\n  + {after}")
    heads = ("paper", "mutants", "caught", "%", "timeouts", "survivors", "unexplained", "noticed in evidence")
    print("\n" + "  ".join(f"{head:>11}" for head in heads))
    lines = [(paper, rows) for paper, rows in results.items() if rows]
    everything = [row for _, rows in lines for row in rows]
    for name, rows in [*lines, ("all", everything)]:
        left = [row for row in rows if not row["caught"]]
        open_ones = sum((row["file"], row["before"], row["after"]) not in why for row in left)
        cells = [name, len(rows), len(rows) - len(left), f"{100 * _share(rows):.1f}"]
        cells += [sum(row["caught"] == "timeout" for row in rows), len(left), open_ones]
        cells += [sum(bool(row["noticed"]) for row in left)]
        print("  ".join(f"{cell!s:>11}" for cell in cells))
    if any(red.values()) or _share(everything) < LEAST_CAUGHT:
        return 1
    return 0


def _share(rows: Sequence[Result]) -> float:
    return sum(bool(row["caught"]) for row in rows) / len(rows) if rows else 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Sample, judge, tell."""
    parser = argparse.ArgumentParser(description="Mutate the formulas of bounds and checks; 95% must be noticed.")
    parser.add_argument("--paper", action="append", help="a paper's key; by default all that have files")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--seed", default="1", help="of the sample")
    parser.add_argument("--scale", type=int, default=1, help="multiple of the sample's size")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    options = parser.parse_args(arguments)
    known_papers = {each.name: each for each in papers()}
    for name in options.paper or []:
        if name not in known_papers:
            parser.error(f"no paper is called {name}: choose from {', '.join(known_papers)}")
    judge.prepare()
    stored = json.loads(STORE.read_text("utf-8")) if STORE.exists() and not options.fresh else {}
    chosen = [known_papers[name] for name in options.paper or known_papers]
    results, red = {}, {}
    for paper in chosen:
        results[paper.name], red[paper.name] = _run_paper(paper, stored, options)
    short = LEAST_MUTANTS - sum(map(len, results.values()))
    if not options.paper and short > 0:
        print(f"{short} mutants fewer than {LEAST_MUTANTS}: give a larger --scale")
        return 1
    return report(results, red, explanations())


def _run_paper(paper: Paper, stored: dict[str, Result], options: argparse.Namespace) -> tuple[list[Result], list[str]]:
    """Judge a paper's mutants, those that earlier runs have judged excepted."""
    mark = fingerprint(ROOT, paper)
    if stored.get(paper.name, {}).get("fingerprint") != mark:
        known = baseline(ROOT, paper, jobs=options.jobs)
        stored[paper.name] = {"fingerprint": mark, "checks": known.checks, "red": known.red, "results": {}}
    entry = stored[paper.name]
    known = Baseline(entry["checks"], entry["red"])
    drawn = sample(ROOT, paper, known, options.seed, options.scale)
    rows = {each.key: each for each in drawn}
    tasks: list[tuple[str, Callable[[], Result]]] = [
        (key, partial(judge_mutant, ROOT, paper, each, judges(ROOT, paper, each, known), known))
        for key, each in rows.items()
        if key not in entry["results"]
    ]
    begin, done, survived = time.monotonic(), 0, 0
    try:
        for key, result in judge.in_children(tasks, jobs=options.jobs, timeout_s=TIMEOUT_S):
            if "timeout" in result or "raised" in result:
                result = {"caught": "timeout" if "timeout" in result else result["raised"]}
            entry["results"][key] = {"caught": result["caught"], "noticed": result.get("noticed", False)}
            done, survived = done + 1, survived + (not result["caught"])
            _progress(f"{paper.name}: {done} of {len(tasks)}, {survived} survived, {time.monotonic() - begin:.0f} s")
            if done % SAVE_EVERY == 0:
                _save(stored)
    finally:
        _save(stored)
    if tasks:
        print(file=sys.stderr)
    for name in sorted({*known.checks} - {f"{each.file}::{each.function}" for each in drawn}):
        print(f"{name}: nothing to change, it only joins others")
    told = ("file", "function", "kind", "line", "before", "after")
    return [
        {name: getattr(each, name) for name in told} | entry["results"][key] for key, each in rows.items()
    ], known.red


def _progress(text: str) -> None:
    print(f"\r{text}", end="", file=sys.stderr, flush=True)


def _save(stored: dict[str, Result]) -> None:
    STORE.parent.mkdir(exist_ok=True)
    partial_file = STORE.with_suffix(".part")
    partial_file.write_text(json.dumps(stored), encoding="utf-8")
    partial_file.replace(STORE)


if __name__ == "__main__":
    sys.exit(main())
