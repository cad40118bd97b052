"""Measure the cases of `cases.py`: `python tests/benchmarks/run.py [CASE ...] [--json] [--repeats N]`.

Each case runs in a fresh process with one thread of linear algebra.  Its contenders take turns, and a ratio is the
median of the turns' own ratios, each of times of the same seconds; a case's time is the median.  The peak memory is
that of a first run of our own contender alone, less the peak of a process that only imports.  A target that is missed
is told, no failure.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

# Nothing heavy here: a child's peak memory is never less than its parent's at the fork.
IMPORT_ONLY = "import only"
REPEATS = 7
MIB = 1024 if sys.platform == "linux" else 2**20  # ru_maxrss counts KiB on Linux, bytes on macOS
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def main() -> int:
    """Run the chosen cases, or all of them, and print a line for each as it is done."""
    parser = argparse.ArgumentParser(description="Measure the cases, each in a process of its own.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="by default all; a beginning of names will do")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"runs of each contender, {REPEATS} by default")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error(f"--repeats {options.repeats}: take at least 1")
    try:
        if options.child is not None:
            print(json.dumps(_measure(options.child, options.repeats)))
            return 0
        baseline = _in_a_process(IMPORT_ONLY, 1)
        known = baseline["known"]
        chosen = [name for name in known if not options.cases or name.startswith(tuple(options.cases))]
        for asked in options.cases:
            if not any(name.startswith(asked) for name in known):
                parser.error(f"no case is called {asked}: choose from {', '.join(known)}")
        return _run_all(chosen, baseline, options.repeats, as_json=options.json)
    except KeyboardInterrupt:
        return 130


def _run_all(chosen: list[str], baseline: dict, repeats: int, *, as_json: bool) -> int:
    """Measure case after case; on Ctrl-C what is measured so far stands."""
    done, status = [], 0
    if not as_json:
        print(f"median of {repeats}, linear algebra on one thread; importing peaks at {baseline['peak_mib']:.0f} MiB")
    try:
        for name in chosen:
            result = _in_a_process(name, repeats)
            result["peak_mib"] -= baseline["peak_mib"]
            result["verdicts"] = _verdicts(result)
            done.append(result)
            if not as_json:
                print(_text(result), flush=True)
    except KeyboardInterrupt:
        status = 130
    if as_json:
        print(json.dumps({"repeats": repeats, "import_only_peak_mib": baseline["peak_mib"], "cases": done}, indent=1))
    elif status:
        print(f"interrupted: {len(done)} of {len(chosen)} cases measured")
    return status


def _in_a_process(name: str, repeats: int) -> dict:
    """Measure one case in a fresh process, which does not outlive this one."""
    command = [sys.executable, __file__, "--child", name, "--repeats", str(repeats)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD)
    try:
        output, _ = child.communicate()
    except KeyboardInterrupt:
        child.kill()
        child.wait()
        raise
    if child.returncode == 130:
        raise KeyboardInterrupt
    if child.returncode:
        sys.exit(f"case {name} ended with status {child.returncode}")
    return json.loads(output)


def _measure(name: str, repeats: int) -> dict:
    """Return the seconds of every contender, the peak memory of ours, and what the answers say of each other."""
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    from cases import CASES

    if name == IMPORT_ONLY:
        return {"peak_mib": _peak_mib(), "known": list(CASES)}
    case = CASES[name]()
    ours = next(iter(case.contenders))
    answers = {ours: case.contenders[ours]()}
    peak = _peak_mib()
    answers |= {other: run() for other, run in case.contenders.items() if other != ours}
    note = case.agreement(answers)
    answers.clear()
    seconds: dict[str, list[float]] = {each: [] for each in case.contenders}
    for _ in range(repeats):
        for each, run in case.contenders.items():
            start = time.perf_counter()
            run()
            seconds[each].append(time.perf_counter() - start)
    target = vars(case.target)
    return {"case": name, "seconds": seconds, "work": case.work, "peak_mib": peak, "note": note, "target": target}


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


def _medians(result: dict) -> dict[str, float]:
    """Return each contender's median seconds a unit of its work."""
    return {name: statistics.median(times) / result["work"].get(name, 1) for name, times in result["seconds"].items()}


def _ratios(result: dict) -> dict[str, float]:
    """Return how many times our own seconds each other contender takes, the median over the turns."""
    (ours, own), *others = result["seconds"].items()
    work = result["work"]
    return {
        name: statistics.median(each / mine for mine, each in zip(own, times, strict=True))
        * (work.get(ours, 1) / work.get(name, 1))
        for name, times in others
    }


def _verdicts(result: dict) -> dict[str, bool]:
    """Return each target as text and whether it is met."""
    ratios, target = _ratios(result), result["target"]
    verdicts = {}
    if target["seconds"] is not None:
        ours = next(iter(_medians(result).values()))
        verdicts[f"within {target['seconds']:g} s"] = ours <= target["seconds"]
    if target["mib"] is not None:
        verdicts[f"within {target['mib']:g} MiB"] = result["peak_mib"] <= target["mib"]
    for rival, factor in target["faster_than"].items():
        verdicts[f"{factor:g}x {rival}"] = ratios[rival] >= factor
    for other, factor in target["at_most"].items():
        verdicts[f"at most {factor:g} times {other}"] = factor * ratios[other] >= 1
    return verdicts


def _text(result: dict) -> str:
    """Return a case as a few lines: ours, the others with their ratio to it, targets, agreement."""
    ratios = _ratios(result)
    (ours, own), *others = _medians(result).items()
    lines = [f"\n{result['case']}", f"  {ours:<28} {own:>10.4g} s   peak +{result['peak_mib']:.0f} MiB"]
    lines += [f"  {name:<28} {each:>10.4g} s   {ratios[name]:.3g}x ours" for name, each in others]
    lines += [f"  target {text}: {'met' if met else 'MISSED'}" for text, met in result["verdicts"].items()]
    return "\n".join([*lines, f"  {result['note']}"])


if __name__ == "__main__":
    sys.exit(main())
