"""Read a response-time log: one row for each response, rounds by workers after reading."""

import csv
import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from os import PathLike
from pathlib import Path

import numpy as np

from workbench.core.errors import InputError
from workbench.core.types import FloatArray, IntArray

NEEDED = ("round", "worker", "response_s")
DEADLINE = "deadline_s"
SHORTEST_S, LONGEST_S = 1e-12, 1e12  # beyond: another unit, or no response time at all
MAX_CELLS = 10**7  # of the table rounds x workers
SHOWN = 8  # groups, values or columns listed in a message
SHOWN_LENGTH = 40  # characters of a cell quoted in a message

Row = tuple[int, list[str]]  # line number, cells


@dataclass(frozen=True)
class ResponseLog:
    """Response times of W workers over the rounds of one group, and where they come from."""

    response_s: FloatArray  # (rounds, W), inf where the worker is missing from the round
    workers: tuple[str, ...]
    censored_at_s: float  # a missing response is later than this
    group: Mapping[str, str] = field(default_factory=dict)
    n_missing: int = 0
    source: str = ""
    sha256: str = ""

    @property
    def n_workers(self) -> int:
        """W."""
        return int(self.response_s.shape[1])

    @property
    def n_rounds(self) -> int:
        """Number of rounds."""
        return len(self.response_s)


def read_log(path: str | PathLike[str], where: Mapping[str, str] | None = None) -> ResponseLog:
    """Read a CSV with the columns round, worker, response_s; further columns are grouping keys.

    A worker without a row in a round counts as later than `censored_at_s`: than every response seen, or than
    the deadline the log states in a column deadline_s (the least of them).

    Parameters
    ----------
    path : the CSV file, UTF-8
    where : grouping column -> value, until one group is left; numbers compare as numbers

    Raises
    ------
    InputError : the file, the line, what is wrong there, and the way out
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): give the path of a CSV file") from None
    return _parse(content, str(path), where or {})


def embedded_log() -> ResponseLog:
    """Return the log that travels with the package, recorded on two cores from real processes.

    `workbench measure --workers 16 --rounds 50 --spread 1.5`: the last worker has half as much data again as
    the first, and all share the cores.
    """
    trace = resources.files("workbench.stragglers") / "measured_16x50.csv"
    return _parse(trace.read_bytes(), trace.name, {})


def recorded_responses(n_workers: int, log: Path | None, where: Mapping[str, str] | None) -> FloatArray:
    """Return what the first workers of a log did in its rounds, shape (rounds, W), inf where missing.

    Parameters
    ----------
    n_workers : W, of the log's workers in the order of their names
    log : the CSV file; the embedded log if None
    where : grouping column -> value, until one group is left

    Raises
    ------
    InputError : a log that cannot be read, or has fewer workers
    """
    if log is None and where:
        raise InputError("where chooses a group of a log: give the log, the embedded one has no groups")
    found = embedded_log() if log is None else read_log(log, where)
    if not 1 <= n_workers <= found.n_workers:
        raise InputError(
            f"{found.source}: {found.n_workers} workers are recorded, {n_workers} asked for: "
            f"take 1 to {found.n_workers}, or another log"
        )
    return found.response_s[:, :n_workers]


def _parse(content: bytes, path: str, where: Mapping[str, str]) -> ResponseLog:
    header, rows = _table(content, path)
    lines = np.array([line for line, _ in rows])  # (N,)
    columns = dict(zip(header, zip(*(cells for _, cells in rows), strict=True), strict=True))
    response_s = _positive(columns["response_s"], lines, "response_s", path)  # (N,)
    stated_s = _positive(columns[DEADLINE], lines, DEADLINE, path) if DEADLINE in columns else None  # (N,)
    keys = {name: cells for name, cells in columns.items() if name not in (*NEEDED, DEADLINE)}
    chosen, group = _select(keys, where, len(rows), path)
    rounds, round_index = _labels(columns["round"], chosen, lines, "round", path)
    workers, worker_index = _labels(columns["worker"], chosen, lines, "worker", path)
    for name, labels in (("round", rounds), ("worker", workers)):
        if len(labels) < 2:
            raise InputError(
                f"{path}: line {lines[chosen[0]]}: the only {name} is '{labels[0]}': "
                f"a profile compares {name}s, record at least two"
            )
    _refuse_repeats(round_index * len(workers) + worker_index, chosen, columns, lines, path)
    if len(rounds) * len(workers) > MAX_CELLS:
        raise InputError(
            f"{path}: line {lines[chosen[0]]}: {len(rounds)} rounds of {len(workers)} workers for {len(chosen)} "
            f"responses, at most {MAX_CELLS} cells fit: number the rounds so that all workers share them"
        )
    table = np.full((len(rounds), len(workers)), np.inf)  # (rounds, W)
    table[round_index, worker_index] = response_s[chosen]
    n_missing = table.size - len(chosen)
    latest = float(response_s[chosen].max())
    if stated_s is not None:
        stated = float(stated_s[chosen].min())
        latest = stated if n_missing else max(stated, latest)
    if response_s[chosen].min() > latest:
        raise InputError(
            f"{path}: line {lines[chosen[0]]}: responses are missing, and none that came did so within the least "
            f"{DEADLINE}, {latest:g} s: correct it, or leave the column out"
        )
    return ResponseLog(table, workers, latest, group, n_missing, _name(path), hashlib.sha256(content).hexdigest())


def _name(path: str) -> str:
    """Return the file's name as text that JSON can hold: bytes that are no UTF-8 are written as escapes."""
    return Path(path).name.encode(errors="backslashreplace").decode()


def _table(content: bytes, path: str) -> tuple[list[str], list[Row]]:
    """Return the header and the rows with their line numbers; every row has as many cells as the header."""
    if not content.strip():
        raise InputError(f"{path}: line 1: the file is empty: it needs the columns {', '.join(NEEDED)}")
    if b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise InputError(f"{path}: line {line}: this is a binary file: give a CSV of text")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path}: line {line}: not UTF-8 text: save the CSV as UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: not CSV ({error}): mend the quoting") from None
    (header_line, header), rows = rows[0], rows[1:]
    where = f"{path}: line {header_line}:"
    for name in NEEDED:
        if name not in header:
            found = ", ".join(f"'{column}'" for column in header[:SHOWN])
            raise InputError(
                f"{where} column '{name}' is missing (found {found}): name the columns {', '.join(NEEDED)}"
            )
    for index, name in enumerate(header):
        if name in header[:index]:
            raise InputError(f"{where} column '{name}' is there twice: remove or rename one")
    if not rows:
        raise InputError(f"{where} there is a header but no response: add one row for each response")
    for line, cells in rows:
        if len(cells) != len(header):
            raise InputError(
                f"{path}: line {line}: {len(cells)} cells where the header has {len(header)}: mend the row"
            )
    return header, rows


def _positive(cells: Sequence[str], lines: IntArray, name: str, path: str) -> FloatArray:
    """Return the cells as possible numbers of seconds, shape (N,), or name the first that is none."""
    values = np.array([_number(cell) for cell in cells])  # (N,), nan where there is no number
    bad = ~((values >= SHORTEST_S) & (values <= LONGEST_S))
    if bad.any():
        index = int(np.argmax(bad))
        cell = cells[index][:SHOWN_LENGTH]
        odd = f" from {SHORTEST_S:g} to {LONGEST_S:g}" if 0 < values[index] < np.inf else ""
        hint = "leave the row out if the worker never answered" if name == "response_s" else "state it in each row"
        raise InputError(
            f"{path}: line {lines[index]}: {name} is '{cell}', not a positive finite number of seconds{odd}: {hint}"
        )
    return values


def _number(cell: str) -> float:
    """Return the number a cell holds, or nan; underscores, which Python allows, are text here."""
    try:
        return math.nan if "_" in cell else float(cell)
    except ValueError:
        return math.nan


def _canonical(cell: str) -> float | str:
    """Return a number where the cell is one, so that 0.5 and 0.50 are the same group."""
    number = _number(cell)
    return cell if math.isnan(number) else number


def _select(
    keys: Mapping[str, Sequence[str]], where: Mapping[str, str], n_rows: int, path: str
) -> tuple[IntArray, dict[str, str]]:
    """Return the rows of the one group that `where` leaves, and that group."""
    for name in where:
        if name not in keys:
            there = ", ".join(keys) or "none"
            raise InputError(f"{path}: line 1: no grouping column '{name}' to select by (there is: {there})")
    chosen = np.ones(n_rows, dtype=np.bool_)  # (N,)
    codes, labels = {}, {}
    for name, cells in keys.items():
        seen = {cell: _canonical(cell) for cell in dict.fromkeys(cells)}
        first = dict(zip(reversed(seen.values()), reversed(seen), strict=True))  # value -> first spelling
        number = {value: index for index, value in enumerate(first)}
        labels[name] = list(first.values())
        codes[name] = np.array([number[seen[cell]] for cell in cells])  # (N,)
        if name in where:
            wanted = number.get(_canonical(where[name].strip()))
            if wanted is None:
                there = _listed([labels[name][code] for code in sorted(number.values(), reverse=True)])
                raise InputError(f"{path}: line 1: no row has {name} = '{where[name]}' (there is: {there})")
            chosen &= codes[name] == wanted
    index = np.flatnonzero(chosen)
    if not len(index):
        pairs = " and ".join(f"{name} = '{value}'" for name, value in where.items())
        raise InputError(f"{path}: line 1: no row has {pairs} together: leave one of them out")
    groups = dict.fromkeys(zip(*(codes[name][index].tolist() for name in keys), strict=True))
    varying = [at for at, name in enumerate(keys) if len({group[at] for group in groups}) > 1]
    names = list(keys)
    if varying:
        shown = dict.fromkeys(
            " ".join(f"--where {names[at]}={labels[names[at]][group[at]]}" for at in varying) for group in groups
        )
        raise InputError(
            f"{path}: line 1: {len(groups)} groups of responses, choose one (or drop a column that is no "
            f"grouping key): {_listed(list(shown))}"
        )
    only = next(iter(groups), ())
    return index, {name: labels[name][code] for name, code in zip(names, only, strict=True)}


def _listed(items: Sequence[str]) -> str:
    more = f", ... ({len(items)} in all)" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more


def _labels(
    cells: Sequence[str], chosen: IntArray, lines: IntArray, name: str, path: str
) -> tuple[tuple[str, ...], IntArray]:
    """Return the labels in order (numerical if all are numbers) and each chosen row's index among them."""
    picked = [cells[index] for index in chosen]
    if "" in picked:
        line = lines[chosen[picked.index("")]]
        raise InputError(f"{path}: line {line}: {name} is empty: every response needs its {name}")
    seen = list(dict.fromkeys(picked))
    numbers = [_number(label) for label in seen]
    ordered = (
        sorted(seen)
        if any(map(math.isnan, numbers))
        else [label for _, label in sorted(zip(numbers, seen, strict=True))]
    )
    index = {label: at for at, label in enumerate(ordered)}
    return tuple(ordered), np.array([index[label] for label in picked])


def _refuse_repeats(
    cell: IntArray, chosen: IntArray, columns: Mapping[str, Sequence[str]], lines: IntArray, path: str
) -> None:
    order = np.argsort(cell, kind="stable")
    repeats = np.flatnonzero(np.diff(cell[order]) == 0)
    if len(repeats):
        first, second = sorted(chosen[order[repeats[0] : repeats[0] + 2]])
        raise InputError(
            f"{path}: line {lines[second]}: worker '{columns['worker'][second]}' is already in round "
            f"'{columns['round'][second]}' on line {lines[first]}: keep one of the two"
        )
