"""Run what should notice a mutant, in a forked child that has not imported this project yet.

The parent imports the libraries once. A child imports the project's modules afresh, the mutated one from its mutated
text, so that no module is left that holds the old function.
"""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

LIBRARIES = [
    "numpy",
    "scipy.sparse",
    "scipy.stats",
    "scipy.integrate",
    "sympy",
    "z3",
    "flint",
    "networkx",
    "msgspec",
    "pytest",
]
Result = dict[str, Any]


def prepare() -> None:
    """Import the libraries, which is what takes the time, and settle what tests would do once in a session."""
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # before numpy; threads do not survive a fork
    os.environ.setdefault("WORKBENCH_TESTS_EXAMPLE", tempfile.gettempdir())  # no example package is needed
    for name in LIBRARIES:
        importlib.import_module(name)
    import hypothesis

    quick = (hypothesis.Phase.explicit, hypothesis.Phase.generate)  # the first failure is enough
    hypothesis.settings.register_profile("mutation", phases=quick, database=None)
    hypothesis.settings.load_profile("mutation")


class _Mutated(importlib.abc.MetaPathFinder):
    """Find one module in a given text."""

    def __init__(self, name: str, path: Path, text: bytes) -> None:
        self.name, self.path, self.text = name, path, text

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(
            fullname, self.path, loader=_Loader(fullname, str(self.path), self.text)
        )


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, text: bytes) -> None:
        super().__init__(fullname, path)
        self.text = text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.text, self.path, "exec")


def module_name(file: str) -> str:
    """Turn proofs_check/a/b.py into proofs_check.a.b."""
    return ".".join(Path(file).with_suffix("").parts)


def install(root: Path, file: str, text: bytes) -> None:
    """Let this process import the file from another text.

    Raises
    ------
    RuntimeError : it is imported already
    """
    name = module_name(file)
    if name in sys.modules:
        raise RuntimeError(f"{name} is imported already: mutate it in a process that has not done so")
    sys.meta_path.insert(0, _Mutated(name, root / file, text))


def run_check(module: str, function: str) -> Result:
    """Return the verdict of a check; what it raises is a result too."""
    try:
        verdict = getattr(importlib.import_module(module), function)()
    except Exception as error:  # whatever a mutant may raise
        return {"raised": f"{type(error).__name__}: {error}"[:200]}
    return {
        "key": verdict.claim.key,
        "verdict": [str(verdict.status), str(verdict.grade)],
        "explanation": verdict.explanation[:200],
        "evidence": {name: float(value) for name, value in verdict.evidence.items()},
    }


def run_check_traced(module: str, function: str, root: Path) -> Result:
    """Run a check and note its seconds, and which functions of checks and bounds it reaches, as "file::function"."""
    importlib.import_module(module)
    watched = tuple(str(root / each) + os.sep for each in ("proofs_check", "workbench/bounds"))
    reached: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if code.co_filename.startswith(watched):
            reached.add(f"{Path(code.co_filename).relative_to(root)}::{code.co_qualname.partition('.')[0]}")

    begin = time.perf_counter()
    sys.settrace(note)
    try:
        result = run_check(module, function)
    finally:
        sys.settrace(None)
    return result | {"seconds": time.perf_counter() - begin, "reached": sorted(reached)}


def run_tests(file: Path) -> Result:
    """Run a file of tests up to its first failure, and name that."""
    import pytest

    class First:
        failed = ""

        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.failed and not self.failed:
                self.failed = report.nodeid

    first, said = First(), io.StringIO()
    options = ["-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = pytest.main([str(file), *options], plugins=[first])
    return {"failed": first.failed or ("" if code == 0 else f"{file.name}: exit {int(code)}")}


def in_children(
    tasks: Sequence[tuple[str, Callable[[], Result]]], *, jobs: int, timeout_s: float
) -> Iterator[tuple[str, Result]]:
    """Call each task in a forked process of its own, `jobs` at a time, and yield its name and result as it ends.

    Raises
    ------
    RuntimeError : a task raised, which no mutant can make it do
    """
    fork, waiting = multiprocessing.get_context("fork"), list(reversed(tasks))
    running: dict[Connection, tuple[str, Any, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                name, task = waiting.pop()
                ours, theirs = fork.Pipe(duplex=False)
                child = fork.Process(target=_call, args=(task, theirs), daemon=True)
                child.start()
                theirs.close()
                running[ours] = name, child, time.monotonic() + timeout_s
            ready = wait(list(running), timeout=max(0.0, min(end for *_, end in running.values()) - time.monotonic()))
            late = [each for each, (*_, end) in running.items() if each not in ready and end <= time.monotonic()]
            for each in [each for each in running if each in ready or each in late]:
                name, child, _ = running.pop(each)
                yield name, _received(each, child, is_late=each in late)
    finally:
        for _, child, _ in running.values():
            child.kill()


def _received(connection: Connection, child: Any, *, is_late: bool) -> Result:
    if is_late:
        child.kill()
        result: Result = {"timeout": True}
    else:
        try:
            result = connection.recv()
            if "broken" in result:
                raise RuntimeError(result["broken"])
        except EOFError:  # the interpreter itself broke down
            result = {"raised": "the process ended without a result"}
    child.join()
    connection.close()
    return result


def _call(task: Callable[[], Result], connection: Connection) -> None:
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    try:
        connection.send(task())
    except Exception as error:  # ours, not the mutant's, whose errors are results
        connection.send({"broken": f"{type(error).__name__}: {error}"})
    connection.close()
    os._exit(0)  # nothing to clean up, and libraries' own ends take time
