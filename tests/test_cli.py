"""The command line as a user meets it: one line for every mistake, JSON to rely on, nothing half-written."""

import errno
import json
import math
import os
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from workbench.cli import main
from workbench.codes.code import MAX_WORKERS
from workbench.core.catalogue import codes
from workbench.core.errors import InputError
from workbench.core.streams import stream
from workbench.formats.profile import profile_to_json, read_profile
from workbench.stragglers.delays.pooled_empirical import PooledEmpirical
from workbench.stragglers.log import read_log
from workbench.stragglers.profile import estimate_profile

WORKBENCH = Path(sys.executable).parent / "workbench"
GOOD = "round,worker,response_s\n0,a,1.5\n0,b,2\n1,a,1e3\n1,b,0.25\n"
BOUND = ("--param", "utility=3", "--param", "grad_bound_sq=1")
LEMMA_1 = ("--param", "weights=[[1], [1]]", "--param", "variance_factor=[0, 0]", "--param", "grad_bound_sq=1")
NUMBERS = ("--parts", "4", "--dim", "100", "--budget", "16")


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return the entry point, called in this process."""

    def call(*arguments: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture
def hand(tmp_path: Path) -> Path:
    path = tmp_path / "hand.json"
    path.write_text('{"version": 1, "straggle_prob": [0.05, 0.2, 0.4]}')
    return path


def process(*arguments: str | Path, env: dict[str, str] | None = None) -> Result:
    """Run the command as a user does."""
    done = subprocess.run(
        [WORKBENCH, *arguments], capture_output=True, text=True, check=False, env=os.environ | (env or {})
    )
    return Result(done.returncode, done.stdout, done.stderr)


def mistake(result: Result, message: str) -> None:
    """Check for exit code 2 and one line on stderr that matches `message`, and nothing else."""
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result.err
    assert result.err.startswith("workbench: ")
    assert re.search(message, result.err), result.err
    assert len(result.err) < 700


def strict(text: str) -> Any:
    """Read JSON, refusing NaN and Infinity, which Python's reader would let pass."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def redesigned(result: Result, designed: str, *, kept: bool = False) -> None:
    """Check for success, and for one line that says what became of codes designed for another dimension."""
    what = (
        r"its bits are not the best ones here" if kept else r"all codes are designed anew \(--as-designed keeps them\)"
    )
    line = rf"workbench: the code was designed for {designed} coordinates, least-squares has 100: {what}\n"
    assert result.code == 0, result.err
    assert re.fullmatch(line, result.err), result.err


def files(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


# ---- bad logs -------------------------------------------------------------------------------------------

LOGS: dict[str, tuple[bytes, int, str]] = {
    "empty file": (b"", 1, "the file is empty: it needs the columns round, worker, response_s"),
    "header only": (b"round,worker,response_s\n", 1, "no response: add one row"),
    "missing column": (GOOD.replace("response_s", "seconds").encode(), 1, "column 'response_s' is missing .*name the"),
    "NaN": (GOOD.replace("1.5", "NaN").encode(), 2, "response_s is 'NaN', not a positive finite .*: leave the row out"),
    "infinite": (GOOD.replace("0.25", "inf").encode(), 5, "response_s is 'inf'.*: leave the row out"),
    "negative": (GOOD.replace("0.25", "-1").encode(), 5, "response_s is '-1'.*: leave the row out"),
    "zero": (GOOD.replace("0.25", "0").encode(), 5, "response_s is '0'.*: leave the row out"),
    "text": (GOOD.replace("0.25", "fast").encode(), 5, "response_s is 'fast'.*: leave the row out"),
    "long text": (GOOD.replace("0.25", "x" * 9999).encode(), 5, "response_s is 'x{40}'"),
    "control characters": (GOOD.replace("0.25", "\x1b[31m").encode(), 5, r"response_s is '\\x1b\[31m'"),
    "no response time": (GOOD.replace("0.25", "1e300").encode(), 5, "'1e300', .* from 1e-12 to 1e\\+12"),
    "twice": (GOOD.encode() + b"0,b,3\n", 6, "worker 'b' is already in round '0' on line 3: keep one"),
    "one worker": (b"round,worker,response_s\n0,a,1\n1,a,1\n", 2, "the only worker is 'a'.*at least two"),
    "one round": (b"round,worker,response_s\n0,a,1\n0,b,1\n", 2, "the only round is '0'.*at least two"),
    "binary": (b"\x7fELF\x02\x01\x00\x00", 1, "this is a binary file: give a CSV"),
    "UTF-16": (GOOD.encode("utf-16"), 1, "binary file: give a CSV"),
    "PNG": (b"\x89PNG\r\n\x1a\n", 1, "not UTF-8 text: save the CSV as UTF-8"),
    "all too late": (
        b"round,worker,response_s,deadline_s\n0,a,9,1\n1,b,9,1\n",
        2,
        "none .* within the least deadline_s",
    ),
    "ids for rounds": (
        b"round,worker,response_s\n" + b"".join(b"%d,%d,1\n" % (i, i) for i in range(4000)),
        2,
        "4000 rounds of 4000 workers for 4000 responses.*: number the rounds",
    ),
}


@pytest.mark.parametrize(("content", "line", "message"), LOGS.values(), ids=LOGS)
def test_bad_logs(run: Run, tmp_path: Path, content: bytes, line: int, message: str) -> None:
    (tmp_path / "log.csv").write_bytes(content)
    (tmp_path / "old.json").write_bytes(b"old")
    before = files(tmp_path)
    place = f"^workbench: {re.escape(str(tmp_path / 'log.csv'))}: line {line}: .*"
    for command in (["profile"], ["design", *NUMBERS]):
        for out in ("new.json", "old.json"):
            mistake(run(*command, tmp_path / "log.csv", "--out", tmp_path / out, "--json"), place + message)
    assert files(tmp_path) == before


def test_unreadable_paths(run: Run, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.csv", tmp_path / "absent" / "log.csv", tmp_path / ("x" * 300)):
        for command in (["profile"], ["design", *NUMBERS]):
            mistake(run(*command, path), "cannot be read .*: give the path of a CSV file")
    for path in (tmp_path, tmp_path / "absent.json"):
        mistake(run("simulate", "--code", path), "cannot be read .*: give the path of a code.json")
    mistake(run("design", tmp_path / "absent.json", *NUMBERS), "cannot be read .*: give the path of a profile.json")


def test_a_log_that_may_not_be_read(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.csv"
    path.write_text(GOOD)

    def refuse(_: Path) -> bytes:  # a superuser may read everything, so permissions alone would not do
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    mistake(run("profile", path), "cannot be read .Permission denied.")


PROFILES: dict[str, tuple[str, str]] = {
    "probability 1": ('{"version": 1, "straggle_prob": [0.1, 1]}', r"straggle_prob\[1\] is 1.0, not in \[0, 1\): drop"),
    "probability -1": ('{"version": 1, "straggle_prob": [-1, 0]}', r"straggle_prob\[0\] is -1.0, not in \[0, 1\)"),
    "unknown version": (
        '{"version": 7, "straggle_prob": [0.1]}',
        r"version 7 is unknown - at `\$.version`: .*version 1",
    ),
    "NaN": ('{"version": 1, "straggle_prob": [NaN]}', "malformed: .*see `workbench schema profile`"),
    "empty": ("", "the file is empty: see `workbench schema profile`"),
    "a CSV": (GOOD, "malformed"),
    "too many": (json.dumps({"version": 1, "straggle_prob": [0.1] * (MAX_WORKERS + 1)}), f"at most {MAX_WORKERS}"),
}


@pytest.mark.parametrize(("content", "message"), PROFILES.values(), ids=PROFILES)
def test_bad_profiles(run: Run, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "p.json").write_text(content)
    result = run("design", tmp_path / "p.json", "--parts", "4", "--dim", "9", "--budget", "99999", "--out", "c.json")
    mistake(result, message)
    assert files(tmp_path).keys() == {"p.json"}


# ---- bad options ----------------------------------------------------------------------------------------

DESIGN = ("design", "{hand}", *NUMBERS)
SIMULATE = ("simulate", "--code", "{code}", "--runs", "2", "--iterations", "3")
MEASURE = ("measure", "--workers", "2", "--rounds", "2", "--out", "{new}")
REPORT = ("report", "{log}", "--out", "{new}")
BELOW = r"is not in the range .*See `workbench \w+ --help`"

OPTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "zero parts": ((*DESIGN, "--parts", "0"), f"'--parts': 0 {BELOW}"),
    "negative parts": ((*DESIGN, "--parts", "-1"), f"'--parts': -1 {BELOW}"),
    "half a part": ((*DESIGN, "--parts", "1.5"), "'--parts': '1.5' is not a valid integer"),
    "10^9 parts": ((*DESIGN, "--parts", "1000000000"), "take at most 3333333 parts"),
    "zero dim": ((*DESIGN, "--dim", "0"), f"'--dim': 0 {BELOW}"),
    "dim 10^30": ((*DESIGN, "--dim", "1" + "0" * 30), f"'--dim': 10+ {BELOW}"),
    "zero budget": ((*DESIGN, "--budget", "0"), f"'--budget': 0 {BELOW}"),
    "budget below minimum": ((*DESIGN, "--budget", "5"), "budget 5 is below the minimum of 6 .*--allow-idle"),
    "budget below idle minimum": ((*DESIGN, "--budget", "1", "--allow-idle"), "below the minimum of 2 .*: raise"),
    "no replication": ((*DESIGN, "--replication", "0"), f"'--replication': 0 {BELOW}"),
    "unknown constant": ((*DESIGN, "--variance-constant", "x"), "'x' is not one of 'tight', 'paper', 'qsgd'"),
    "negative seed": ((*DESIGN, "--seed", "-1"), f"'--seed': -1 {BELOW}"),
    "huge seed": ((*DESIGN, "--seed", "1" + "0" * 30), f"'--seed': 10+ {BELOW}"),
    "deadline of a hand-written profile": ((*DESIGN, "--deadline", "2"), "no delay law for 2 s: leave --deadline out"),
    "auto deadline of a profile": ((*DESIGN, "--deadline", "auto"), "needs a log.*: give seconds"),
    "where of a profile": ((*DESIGN, "--where", "load=1"), "selects in a log.*: leave it out"),
    "where of nothing": (("design", *NUMBERS, "--where", "load=1"), "name its file too"),
    "absent parts": (("design", "{hand}", "--dim", "1", "--budget", "9"), "Missing option '--parts'"),
    "over its input": ((*DESIGN, "--out", "{hand}"), "would replace the input .*: choose another file"),
    "no directory": ((*DESIGN, "--out", "{hand}/x"), "its directory does not exist: make it first"),
    "no name": ((*DESIGN, "--out", ""), "--out '': .* choose another"),
    "two logs": (("profile", "a.csv", "b.csv"), r"unexpected extra argument"),
    "profile where": (("profile", "{log}", "--where", "load"), "--where load: write --where column=value"),
    "profile unknown key": (("profile", "{log}", "--where", "a=1"), "no grouping column 'a' to select by"),
    "profile twice": (("profile", "{log}", "--where", "a=1", "--where", "a=2"), "a is chosen twice: keep one"),
    "profile over its input": (("profile", "{log}", "--out", "{log}"), "would replace the input"),
    "profile deadline 0": (("profile", "{log}", "--deadline", "0"), "--deadline 0: give a number of seconds .*auto"),
    "profile deadline nan": (("profile", "{log}", "--deadline", "nan"), "--deadline nan: give"),
    "profile deadline inf": (("profile", "{log}", "--deadline", "inf"), "--deadline inf: give"),
    "profile deadline soon": (("profile", "{log}", "--deadline", "soon"), "--deadline soon: give"),
    "profile deadline 1e-9": (("profile", "{log}", "--deadline", "1e-9"), "no worker ever answered .*: give a later"),
    "profile seed": (("profile", "{log}", "--seed", "-1"), BELOW),
    "no runs": ((*SIMULATE, "--runs", "0"), f"'--runs': 0 {BELOW}"),
    "no iterations": ((*SIMULATE, "--iterations", "0"), f"'--iterations': 0 {BELOW}"),
    "no jobs": ((*SIMULATE, "--jobs", "0"), f"'--jobs': 0 {BELOW}"),
    "all jobs": ((*SIMULATE, "--jobs", "-1"), f"'--jobs': -1 {BELOW}"),
    "simulate seed": ((*SIMULATE, "--seed", "-1"), f"'--seed': -1 {BELOW}"),
    "unknown problem": (
        (*SIMULATE, "--problem", "x"),
        "'x' is not one of 'least-squares', 'log-cosh', 'logistic-regression'",
    ),
    "simulate over its input": ((*SIMULATE, "--out", "{code}"), "would replace the input"),
    "simulate nothing": (("simulate",), "give either CONFIG.toml or --code FILE"),
    "simulate both": ((*SIMULATE, "{log}"), "give either CONFIG.toml or --code FILE"),
    "simulate a code on a cluster": ((*SIMULATE, "--cluster", "tcp://x"), "--cluster goes with CONFIG.toml only"),
    "a sweep with a problem": (("simulate", "{log}", "--problem", "quadratic"), "--problem goes with --code only"),
    "a sweep that is no TOML": (("simulate", "{log}"), "log.csv: this is not TOML"),
    "an unknown bound": (("bounds", "x/y"), "unknown bound 'x/y': `workbench bounds` lists all"),
    "a bound without parameters": (("bounds", "hetero_gc/lemma_2"), "hetero_gc/lemma_2 needs 'n_parts'"),
    "a parameter that is no number": (("bounds", "hetero_gc/lemma_2", "--param", "utility=x"), "is no number"),
    "a list where a number is meant": (("bounds", "hetero_gc/lemma_2", *BOUND, "--param", "n_parts=[1]"), "n_parts is"),
    "a text for a constant": (
        ("bounds", "hetero_gc/theorem_2", *BOUND, "--param", "n_parts=1", "--param", 'n_iters="x"'),
        "n_iters is 'x': give a number or a list of numbers",
    ),
    "a text for a constant of the loss": (
        ("bounds", "hetero_gc/theorem_2", "--param", 'strong_convexity="x"'),
        "strong_convexity is 'x'",
    ),
    "lists of unequal lengths": (
        ("bounds", "hetero_gc/lemma_1", *LEMMA_1, "--param", "straggle_prob=[0.1, 0.1, 0.1]"),
        "these values do not go together",
    ),
    "a parameter twice": (
        ("bounds", "hetero_gc/lemma_2", "--param", "utility=1", "--param", "utility=2"),
        "--param utility is given twice",
    ),
    "simulate a profile": (
        ("simulate", "--code", "{hand}"),
        "unknown field `straggle_prob`: see `workbench schema code`",
    ),
    "no images": ((*SIMULATE, "--problem", "softmax-regression"), "run `workbench data fetch mnist`"),
    "one process": ((*MEASURE, "--workers", "1"), f"'--workers': 1 {BELOW}"),
    "10^9 processes": ((*MEASURE, "--workers", "1000000000"), f"'--workers': 10+ {BELOW}"),
    "one measured round": ((*MEASURE, "--rounds", "1"), f"'--rounds': 1 {BELOW}"),
    "little data": ((*MEASURE, "--size", "10"), "fewer than 250 features: raise --size"),
    "spread below 1": ((*MEASURE, "--spread", "0.5"), f"'--spread': 0.5 {BELOW}"),
    "spread nan": ((*MEASURE, "--spread", "nan"), "spread is nan"),
    "measure seed": ((*MEASURE, "--seed", "-1"), BELOW),
    "measure nowhere": (("measure", "--out", "{hand}/x"), "its directory does not exist"),
    "report parts": ((*REPORT, "--parts", "0"), f"'--parts': 0 {BELOW}"),
    "report dim": ((*REPORT, "--dim", "0"), f"'--dim': 0 {BELOW}"),
    "report without bits": ((*REPORT, "--bits", "0"), f"'--bits': 0 {BELOW}"),
    "report of one bit": ((*REPORT, "--bits", "1"), f"'--bits': 1 {BELOW}"),
    "report of one bit or none": ((*REPORT, "--bits", "1", "--allow-idle"), f"'--bits': 1 {BELOW}"),
    "report without jobs": ((*REPORT, "--jobs", "0"), f"'--jobs': 0 {BELOW}"),
    "report seed": ((*REPORT, "--seed", "-1"), f"'--seed': -1 {BELOW}"),
    "report of 10^9 parts": ((*REPORT, "--parts", "1000000000"), "take at most 5000000 parts"),
    "report where": ((*REPORT, "--where", "load"), "--where load: write --where column=value"),
    "report where of nothing": (("report", "--where", "load=1", "--out", "{new}"), "name its file too"),
    "report of no file": (("report", "{log}x", "--out", "{new}"), "cannot be read .*: give the path of a CSV file"),
    "report without images": (REPORT, "run `workbench data fetch mnist`"),
    "figure": (("figures", "hetero_gc/fig99"), "unknown figure 'hetero_gc/fig99': choose one of .*hetero_gc/fig1"),
    "figure seed": (("figures", "--seed", "-1"), BELOW),
    "figure place": (("figures", "--out", "{hand}/x"), "cannot be made a directory .*: choose another --out"),
    "data set": (("data", "fetch", "mnits"), "unknown data set 'mnits': choose one of fashion_mnist, mnist"),
    "data what": (("data",), "Missing command. See `workbench data --help`"),
    "schema of what": (("schema", "log"), "'log' is not one of 'profile', 'code'"),
    "command": (("desing",), "No such command 'desing'.*See `workbench --help`"),
    "option": (("profile", "--jsn"), "No such option.*--jsn"),
}


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the code.json of a profile written by hand."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "p.json").write_text('{"version": 1, "straggle_prob": [0.05, 0.2, 0.4]}')
    result = process("design", folder / "p.json", *NUMBERS, "--out", folder / "code.json")
    assert result.err == ""
    return folder / "code.json"


@pytest.mark.parametrize(("arguments", "message"), OPTIONS.values(), ids=OPTIONS)
def test_bad_options(
    run: Run,
    hand: Path,
    code: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "nothing"))
    log = tmp_path / "log.csv"
    log.write_text(GOOD)
    before = files(tmp_path), code.read_bytes()
    places = {"hand": hand, "log": log, "code": code, "new": tmp_path / "new"}
    mistake(run(*(each.format_map(places) for each in arguments)), message)
    assert (files(tmp_path), code.read_bytes()) == before
    assert not places["new"].exists()


# ---- JSON that others rely on ---------------------------------------------------------------------------

DESIGN_KEYS: dict[str, type | tuple[type, ...]] = {
    "bits": list,
    "straggle_prob": list,
    "utility": float,
    "utility_upper_bound": float,
    "utility_dual_bound": float,
    "residual_bound": float,
    "nnz": int,
    "decomposition": (dict, type(None)),
    "load": float,
    "deadline_s": (float, type(None)),
    "baselines": dict,
}
FIGURES = {
    "bias": float,
    "mse_aligned": float,
    "mse_orthonormal": float,
    "mse_aligned_rescaled": float,
    "mse_orthonormal_rescaled": float,
    "worst_case": float,
    "standard_error_worst_case": float,
    "load": float,
    "bits": int,
}


def check_design(printed: Any, n_parts: int, budget: int) -> None:
    """Check keys, types and what the numbers promise about each other."""
    for name, kind in DESIGN_KEYS.items():
        assert isinstance(printed[name], kind), name
    n_workers = len(printed["straggle_prob"])
    bits = np.array(printed["bits"])
    assert (len(bits), printed["workers"]) == (n_workers, n_workers)
    assert bits.sum() <= budget
    assert set(bits.tolist()) <= {0, *range(2, 33)}
    assert all(0 <= p < 1 for p in printed["straggle_prob"])
    busy, found = int(np.sum(bits > 0)), printed["decomposition"]
    if printed["spec"]["structure"] in ("dense", "convex"):
        assert printed["nnz"] == busy * n_parts == printed["dense"]["nnz"]
    else:
        assert printed["nnz"] <= busy + n_parts - 1
    if printed["spec"]["structure"] == "fewest-edges":
        assert printed["nnz"] == found["nonzeros"] == busy + n_parts - found["n_groups"]
        assert found["is_proved"] == (found["n_groups"] == found["upper_bound"])
    else:
        assert found is None
    assert printed["load"] == printed["nnz"] / n_parts
    assert printed["utility_upper_bound"] >= printed["utility"] > 0
    assert printed["utility_dual_bound"] >= printed["utility"] * (1 - 1e-12)
    # Relative rounding of sums of a few hundred positive terms.
    assert math.isclose(printed["residual_bound"], n_parts**2 / printed["utility"], rel_tol=1e-12)
    assert math.isclose(printed["worst_case"], printed["residual_bound"], rel_tol=1e-9)
    assert printed["bias"] < 1e-9
    assert printed["baselines"].keys() == codes().keys() - {"optimally_structured"}
    for each in (printed, *printed["baselines"].values()):
        for name in ("aligned", "orthonormal"):
            assert 0 <= each[f"mse_{name}_rescaled"] <= each[f"mse_{name}"] * (1 + 1e-12)
    for baseline in printed["baselines"].values():
        for name, kind in FIGURES.items():
            assert isinstance(baseline[name], kind), name
        assert baseline["bits"] <= max(budget, n_workers)  # 1-bit gradient code spends one a worker, come what may
        assert baseline["worst_case"] >= max(baseline["mse_aligned"], baseline["mse_orthonormal"]) * (1 - 1e-3)


def check_profile(printed: Any) -> None:
    n_workers = printed["workers"]
    assert (printed["version"], len(printed["straggle_prob"]), len(printed["fits"])) == (1, n_workers, n_workers)
    assert all(0 <= p < 1 for p in printed["straggle_prob"])
    assert isinstance(printed["rounds"], int)
    assert printed["deadline_s"] > 0
    low, high = np.array(printed["interval"])
    prob = np.array(printed["straggle_prob"])
    assert np.all((low >= 0) & (low <= prob) & (prob <= high) & (high <= 1))
    for fit in printed["fits"]:
        assert isinstance(fit["family"], str)
        assert fit["parameters"]
        if fit["family"] == "pooled_empirical":  # it holds the worker's own responses and could not fail a test
            assert fit["ks_p_value"] is None
        else:
            assert 0 <= fit["ks_p_value"] <= 1
        assert 0 <= fit["ks_distance"] <= 1


def test_the_embedded_log_end_to_end(run: Run, tmp_path: Path) -> None:
    """As processes: profile --json > p.json, then design p.json; and the same seed prints the same bytes."""
    first = process("profile", "--json")
    assert (first.code, first.err) == (0, "")
    check_profile(strict(first.out))
    (tmp_path / "p.json").write_text(first.out)
    arguments = ("--parts", "64", "--dim", "5000000", "--budget", "64", "--json")
    runs = [process("design", tmp_path / "p.json", *arguments, "--out", tmp_path / f"{i}.json") for i in range(2)]
    assert (runs[0].code, runs[0].err) == (0, "")
    assert runs[0] == runs[1]
    assert (tmp_path / "0.json").read_bytes() == (tmp_path / "1.json").read_bytes()
    check_design(strict(runs[0].out), 64, 64)
    assert strict(runs[0].out)["straggle_prob"] == strict(first.out)["straggle_prob"]
    assert files(tmp_path).keys() == {"p.json", "0.json", "1.json"}
    # Simulated with the log's delays: everyone answers in the end, so that waiting for all takes its time.
    simulated = run("simulate", "--code", tmp_path / "0.json", "--runs", "2", "--iterations", "8", "--json")
    redesigned(simulated, "5,000,000")
    methods = strict(simulated.out)["methods"]
    assert methods.keys() == {*codes(), "wait_for_all"}
    for name, method in methods.items():
        assert None not in method["seconds"], name
        assert method["seconds"] == sorted(method["seconds"])
        assert method["seconds"][-1] <= methods["wait_for_all"]["seconds"][-1]


def test_profile_is_the_same_again_for_the_same_seed(run: Run) -> None:
    first, again, other = (run("profile", "--json", "--seed", seed).out for seed in ("3", "3", "4"))
    assert first == again
    assert first != other


def test_the_real_log(run: Run, canada_log: Path, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    profiled = run("profile", canada_log, "--where", "load=0.5", "--deadline", "1.3", "--json", "--out", path)
    assert (profiled.code, profiled.err) == (0, "")
    printed = strict(profiled.out)
    check_profile(printed)
    assert (printed["workers"], printed["rounds"], printed["deadline_s"]) == (256, 30, 1.3)
    arguments = ("--parts", "64", "--dim", "5000000", "--budget", "1024", "--json")
    designed = run("design", path, *arguments)
    assert (designed.code, designed.err) == (0, "")
    check_design(strict(designed.out), 64, 1024)
    assert strict(designed.out)["straggle_prob"] == printed["straggle_prob"]


def test_a_log_of_several_groups_lists_what_to_paste(run: Run, canada_log: Path) -> None:
    result = run("profile", canada_log)
    mistake(result, r"5 groups of responses, choose one .*--where load=0.5, --where load=")
    pasted = re.findall(r"--where \S+?(?=,|$)", result.err.strip())
    assert len(pasted) == 5
    for each in pasted:
        log = read_log(canada_log, dict([shlex.split(each)[1].split("=", 1)]))
        assert (log.n_rounds, log.n_workers) == (30, 256)


# ---- what real logs contain -----------------------------------------------------------------------------


def write_log(path: Path, skip: int = 0, outlier: float = 1.0) -> Path:
    """Write 12 rounds of 5 workers, without the last `skip` rows, the first response times `outlier`."""
    times = 1 + stream(0, "test/log").random((12, 5))
    times[0, 0] *= outlier
    rows = [f"{r},{w},{times[r, w]}" for r in range(12) for w in range(5)]
    path.write_text("\n".join(["round,worker,response_s", *rows[: len(rows) - skip], ""]))
    return path


def test_outliers_of_a_thousand_times_are_survived(run: Run, tmp_path: Path) -> None:
    plain, wild = (
        strict(run("profile", write_log(tmp_path / "log.csv", outlier=outlier), "--deadline", "1.9", "--json").out)
        for outlier in (1.0, 1000.0)
    )
    assert np.abs(np.subtract(wild["straggle_prob"], plain["straggle_prob"])).max() < 0.1


def test_missing_responses_are_counted_and_reported(run: Run, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.csv", skip=3)
    assert strict(run("profile", log, "--json").out)["n_missing"] == 3
    shown = run("profile", log).out
    assert "5 workers, 12 rounds, 3 responses missing" in shown
    assert "a missing response counts as later" in shown
    mistake(run("profile", log, "--deadline", "50"), "3 responses are missing, known only to be later than .* s: give")


def test_names_are_shown_as_they_are(run: Run, tmp_path: Path) -> None:
    """Brackets are markup to the printer of tables, and a file's name need not be text."""
    log = write_log(tmp_path / "a[red].csv")
    log.write_text(log.read_text().replace("\n", ",[/red]\n").replace("response_s,[/red]", "response_s,[x]"))
    result = run("profile", log)
    assert (result.code, result.err) == (0, "")
    assert "a[red].csv [x]=[/red]" in result.out
    odd = tmp_path / os.fsdecode(b"\xff.csv")
    try:
        write_log(odd)
    except OSError:
        pytest.skip("this file system wants names of text")
    assert strict(run("profile", odd, "--json").out)["source"] == "\\udcff.csv"
    odd.unlink()
    mistake(run("profile", odd), r"\\udcff.csv: cannot be read")


# ---- designs --------------------------------------------------------------------------------------------

CHOICES: dict[str, tuple[str, ...]] = {
    "plain": (),
    "sparse": ("--structure", "sparse"),
    "dense": ("--structure", "dense"),
    "convex": ("--structure", "convex"),
    "fewest edges": ("--structure", "fewest-edges"),
    "fewest edges, idle": ("--structure", "fewest-edges", "--allow-idle", "--budget", "5"),
    "dense, idle": ("--structure", "dense", "--allow-idle", "--budget", "5"),
    "convex, idle": ("--structure", "convex", "--allow-idle", "--budget", "5"),
    "idle": ("--allow-idle",),
    "idle, one worker paid": ("--allow-idle", "--budget", "2"),
    "idle, an odd bit": ("--allow-idle", "--budget", "5"),
    "paper's constant": ("--variance-constant", "paper"),
    "QSGD's constant": ("--variance-constant", "qsgd"),
    "replication 1": ("--replication", "1"),
    "replication above W": ("--replication", "50"),
    "one part": ("--parts", "1"),
    "fewer parts than workers": ("--parts", "2"),
    "many parts": ("--parts", "50"),
    "one coordinate": ("--dim", "1"),
    "10^12 coordinates": ("--dim", "1000000000000"),
    "least budget": ("--budget", "6"),
    "all the bits": ("--budget", "96"),
    "more than all": ("--budget", "97"),
    "budget 10^9": ("--budget", "1000000000"),
    "largest seed": ("--seed", str(2**63 - 1)),
}


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_designs(run: Run, hand: Path, tmp_path: Path, choice: tuple[str, ...]) -> None:
    out = tmp_path / "code.json"
    result = run("design", hand, *NUMBERS, *choice, "--json", "--out", out)
    assert (result.code, result.err) == (0, "")
    printed = strict(result.out)
    check_design(printed, printed["spec"]["n_parts"], printed["spec"]["bit_budget"])
    assert strict(out.read_text())["bits"] == printed["bits"]
    if "--allow-idle" not in choice:
        assert min(printed["bits"]) >= 2
    table = run("design", hand, *NUMBERS, *choice)
    assert (table.code, table.err) == (0, "")
    assert f"worst-case error P²/U = {printed['residual_bound']:.6g}" in table.out
    assert f"{printed['spec']['structure']} structure: {printed['nnz']} (worker, part) pairs" in table.out
    assert ("no optimal code has fewer pairs, proved" in table.out) == (printed["decomposition"] is not None)


def test_what_is_not_proved_is_called_so(run: Run, tmp_path: Path) -> None:
    """Forty real masses: their few groups cannot be told from none, and the output does not claim it."""
    path = tmp_path / "profile.json"
    prob = np.random.default_rng(0).uniform(0.05, 0.6, 40)
    path.write_text(json.dumps({"version": 1, "straggle_prob": prob.tolist()}))
    arguments = ("design", path, "--parts", "16", "--dim", "100", "--budget", "200", "--structure", "fewest-edges")
    found = strict(run(*arguments, "--json").out)["decomposition"]
    assert (found["n_groups"], found["is_proved"]) == (1, False)
    text = run(*arguments, "--out", tmp_path / "code.json").out
    assert "55 = 40 busy workers + 16 parts - 1 groups that share no part; few pairs by a heuristic: up to" in text
    certificate = strict((tmp_path / "code.json").read_text())["certificate"]
    assert (certificate["groups"], certificate["groups_upper_bound"]) == (1, found["upper_bound"])


@pytest.mark.parametrize("structure", ["dense", "convex", "fewest-edges"])
def test_every_structure_is_simulated(run: Run, hand: Path, tmp_path: Path, structure: str) -> None:
    """As designed, and designed anew for the problem's dimension with the same structure."""
    path = tmp_path / "code.json"
    for dim in ("100", "5000000"):
        run("design", hand, *NUMBERS, "--dim", dim, "--structure", structure, "--out", path)
        simulated = run("simulate", "--code", path, "--runs", "2", "--iterations", "4", "--json", "--jobs", "1")
        assert simulated.code == 0, simulated.err
        assert "optimally_structured" in strict(simulated.out)["methods"]


def test_a_convex_structure_that_is_too_large_is_refused(run: Run, hand: Path) -> None:
    result = run("design", hand, *NUMBERS, "--parts", "6667", "--structure", "convex")
    mistake(result, "3 workers and 6667 parts are more than the 20000 pairs that the convex .*: choose sparse or dense")


def test_an_answer_of_the_convex_solver_is_not_trusted(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_text('{"version": 1, "straggle_prob": [0.999999999, 0.1, 1e-9, 0.5]}')
    arguments = ("design", path, "--parts", "9", "--dim", "1000000", "--budget", "128", "--structure")
    mistake(run(*arguments, "convex"), "CLARABEL's answer has a relative residual of .*: choose sparse or dense")
    assert run(*arguments, "dense").code == 0


def test_two_workers_of_a_log_at_a_stated_deadline(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(GOOD)
    result = run("design", log, *NUMBERS, "--deadline", "1.9", "--json")
    assert (result.code, result.err) == (0, "")
    printed = strict(result.out)
    check_design(printed, 4, 16)
    assert printed["deadline_s"] == 1.9


def test_a_profile_at_another_deadline(run: Run, tmp_path: Path) -> None:
    """By way of profile.json or straight from the log, the probabilities are the same for the same law.

    By 1.05 s half of the responses are in, anyone's; by 1.5 s all but those of the first two workers are.
    """
    rng = stream(1, "test/log")
    times = np.where(rng.random((24, 5)) < 0.5, 1.0, 1.1) + 0.04 * rng.random((24, 5))
    times[:, :2] += rng.random((24, 2)) < 0.35
    rows = [f"{r},{w},{times[r, w]}" for r in range(24) for w in range(5)]
    log, path = tmp_path / "log.csv", tmp_path / "profile.json"
    log.write_text("\n".join(["round,worker,response_s", *rows]))
    profiled = run("profile", log, "--out", path, "--deadline", "1.05", "--json")
    assert {each["family"] for each in strict(profiled.out)["fits"]} == {"pooled_empirical"}
    ways = (run("design", source, *NUMBERS, "--deadline", "1.5", "--json").out for source in (path, log))
    by_profile, by_log = (strict(each) for each in ways)
    assert by_profile["straggle_prob"] == by_log["straggle_prob"]
    assert by_profile["deadline_s"] == 1.5
    first = read_profile(path)
    assert isinstance(first.delay, PooledEmpirical)
    by_the_same_trust = first.delay.straggle_prob(1.5)
    assert np.abs(by_the_same_trust - by_log["straggle_prob"]).max() > 0.05


# ---- simulations ----------------------------------------------------------------------------------------


def test_simulate(code: Path, tmp_path: Path) -> None:
    """The JSON's keys; the same bytes for any number of processes, in the file and on the screen.

    A profile written by hand has no delays: nobody knows how long waiting for all would take.
    """
    common = ("simulate", "--code", code, "--runs", "2", "--iterations", "8", "--json")
    one = process(*common, "--jobs", "1", "--out", tmp_path / "1.json")
    two = process(*common, "--jobs", "2", "--out", tmp_path / "2.json")
    assert (one.code, one.err) == (0, "")
    assert one == two
    assert (tmp_path / "1.json").read_text() + "\n" == one.out
    assert files(tmp_path).keys() == {"1.json", "2.json"}
    printed = strict(one.out)
    assert printed["problem"] == "least-squares"
    assert printed["methods"].keys() == codes().keys()
    for method in printed["methods"].values():
        points = len(method["iterations"])
        assert (method["iterations"][0], method["iterations"][-1]) == (0, 8)
        curves = [method[name] for name in ("seconds", "bits_up")] + [
            method["loss"][n] for n in ("mean", "low", "high")
        ]
        assert [len(curve) for curve in curves] == [points] * 5
        assert method["step_size"] > 0
        assert method["bits_up"] == sorted(method["bits_up"])
    assert {each["name"] for each in printed["separation"]} == printed["methods"].keys() - {"optimally_structured"}


def test_codes_for_another_dimension_are_designed_anew(run: Run, hand: Path, tmp_path: Path) -> None:
    """As if designed for the problem's dimension in the first place, unless they are to be kept."""
    simulated = {}
    for dim in ("100", "5000000"):
        path = tmp_path / f"{dim}.json"
        designed = run("design", hand, *NUMBERS, "--budget", "24", "--dim", dim, "--out", path, "--json")
        common = ("simulate", "--code", path, "--runs", "2", "--iterations", "8", "--json")
        simulated[dim] = strict(designed.out)["bits"], run(*common), run(*common, "--as-designed")
    (bits, plain, kept), (other_bits, again, other) = simulated.values()
    assert bits != other_bits
    assert (plain.code, plain.err) == (0, "")
    assert kept == plain
    redesigned(again, "5,000,000")
    redesigned(other, "5,000,000", kept=True)
    assert again.out == plain.out
    assert strict(other.out)["methods"] != strict(plain.out)["methods"]


def test_one_run_has_no_band(run: Run, code: Path) -> None:
    result = run("simulate", "--code", code, "--runs", "1", "--iterations", "1", "--jobs", "1", "--json")
    assert (result.code, result.err) == (0, "")
    printed = strict(result.out)
    assert printed["methods"]["osgc"]["loss"]["low"][-1] is None
    assert not any(each["is_separated"] for each in printed["separation"])


def test_a_code_called_like_a_baseline(run: Run, code: Path, tmp_path: Path) -> None:
    for name in ("osgc", "wait_for_all"):
        (tmp_path / "c.json").write_text(code.read_text().replace("optimally_structured", name))
        mistake(
            run("simulate", "--code", tmp_path / "c.json"), f"c.json: the family '{name}' is a baseline here: rename"
        )


# ---- as processes ---------------------------------------------------------------------------------------


def test_mistakes_of_real_processes(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(GOOD.replace("0.25", "-1"))
    result = process("design", tmp_path / "log.csv", *NUMBERS, "--out", tmp_path / "code.json")
    mistake(result, r"log.csv: line 5: response_s is '-1'")
    mistake(process("design", tmp_path / "log.csv", "--parts", "x"), "'x' is not a valid integer")
    assert files(tmp_path).keys() == {"log.csv"}


def test_without_arguments_there_is_help() -> None:
    plain, asked = process(), process("--help")
    assert plain == asked
    assert (plain.code, plain.err) == (0, "")
    assert "Usage: workbench" in plain.out


def test_a_reader_that_leaves_early_is_no_mistake() -> None:
    done = subprocess.run(
        f"{shlex.quote(str(WORKBENCH))} schema profile | head -c 10",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_a_pipe_that_breaks_elsewhere_is_not_hidden() -> None:
    """A job whose own pipe breaks is a defect to see, whether our output goes to a pipe or to a file."""
    script = """
import sys
from workbench.cli import main, schema
def broken(**_):
    raise BrokenPipeError("the worker's")
schema.command.callback = broken
sys.argv = ["workbench", "schema", "code"]
main()
"""
    for stdout in (subprocess.PIPE, subprocess.DEVNULL):
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
        )
        assert done.returncode == 1
        assert "BrokenPipeError: the worker's" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [WORKBENCH, "schema", "code"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    mistake(Result(done.returncode, "", done.stderr), "the output cannot be written .No space left on device.")


def test_a_terminal_of_few_letters(hand: Path) -> None:
    for arguments in (("design", hand, *NUMBERS), ("schema", "code")):
        result = process(*arguments, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
        assert (result.code, result.err) == (0, "")


# ---- a hostile user -------------------------------------------------------------------------------------

ODD = ("0", "-1", "nan", "inf", "1e308", "5e-324", "", "x", "0x10", " 2 ", "1e3", '"', '"1"', "\0", "é", "[/b]", "\r")


def odd_logs(n_logs: int) -> Iterator[bytes]:
    """Yield small logs with gaps, ties and outliers, most of them damaged in one or two places."""
    for index in range(n_logs):
        rng = random.Random(index)
        n_rounds, n_workers, kind = rng.choice([1, 2, 3, 5]), rng.choice([1, 2, 3, 7]), rng.randrange(4)
        draw: Callable[[], float] = (
            lambda rng=rng: rng.expovariate(1) + 0.1,
            lambda: 1.0,
            lambda rng=rng: float(rng.choice([1, 2, 1000])),
            lambda rng=rng: 10 ** rng.uniform(-12, 12),
        )[kind]
        cells = [[str(r), str(w), repr(draw())] for r in range(n_rounds) for w in range(n_workers)]
        gaps = rng.choice([0, 0, 0.2, 0.6])
        rows = [row for row in cells if rng.random() >= gaps]
        header = ["round", "worker", "response_s"]
        if rng.random() < 0.3:
            header.append(rng.choice(["deadline_s", "load"]))
            rows = [[*row, rng.choice(["1", "1", "5"])] for row in rows]
        for _ in range(rng.choice([0, 1, 1, 2]) if rows else 0):
            row = rng.choice(rows)
            match rng.randrange(5):
                case 0:
                    row[rng.randrange(len(row))] = rng.choice(ODD)
                case 1:
                    rows.append(list(row))
                case 2:
                    rows.remove(row)
                    if not rows:
                        break
                case 3:
                    row.append("1")
                case _:
                    row[-1] = ""
        content = "\n".join(",".join(row) for row in [header, *rows]).encode()
        if rng.random() < 0.1:
            place = rng.randrange(len(content))
            content = content[:place] + bytes([rng.randrange(256)]) + content[place + 1 :]
        yield content


def test_a_damaged_log_is_read_or_refused(tmp_path: Path) -> None:
    """1500 logs: a profile that JSON can hold, or one line; every 40th that is read goes all the way."""
    path, again = tmp_path / "log.csv", tmp_path / "profile.json"
    complaints, logs = [], 0
    for content in odd_logs(1500):
        path.write_bytes(content)
        try:
            log = read_log(path)
        except InputError as error:
            complaints.append(str(error))
            continue
        logs += 1
        if logs % 40:
            continue
        profile = estimate_profile(log, n_draws=4, n_simulated=3, n_deadlines=10)
        again.write_bytes(profile_to_json(profile))
        assert profile_to_json(read_profile(again)) == again.read_bytes()
    assert min(logs, len(complaints)) > 250
    assert all(line.startswith(f"{path}: line ") for line in complaints)
    assert not any("\n" in line for line in complaints)
