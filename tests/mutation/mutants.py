"""Mutants of formulas: the places where `ast` sees a number, sign, power, index or comparison, and one change of each.

What is no formula is left alone: docstrings, decorators, annotations, messages and what refuses an input, the
explanation and the evidence of a verdict, tolerances, seeds, and literal ranges, which say how many cases are looked
at. The change is made in the text, so that a survivor can be read as a line of the file.

A step that asks for less goes through wherever the original does, by logic, however good the check. So "≤" may become
"<", never the other way; a premise keeps its strictness; and a symbol's lower bound in a premise is made smaller.
"""

import ast
import hashlib
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

TOLERANCE = 1e-8  # a smaller number is a tolerance of rounding
SIGNS: dict[type, tuple[str, str]] = {ast.Add: ("+", "-"), ast.Sub: ("-", "+")}
FACTORS: dict[type, tuple[str, str]] = {ast.Mult: ("*", "/"), ast.Div: ("/", "*")}
COMPARISONS: dict[type, tuple[str, str]] = {
    ast.Lt: ("<", ">"),
    ast.LtE: ("<=", ">="),
    ast.Gt: (">", "<"),
    ast.GtE: (">=", "<="),
}
VERDICTS = {"settle", "Verdict"}
HOW_MANY = {"range", "arange", "linspace", "geomspace", "logspace"}
DRAWS = {"default_rng", "Random", "seed"}
NO_FORMULA = {"seed", "cells", "timeout_s", "rtol", "atol", "rel", "abs", "decimals", "maxsplit", "dtype"}
TEXTS = ast.List | ast.Tuple | ast.ListComp | ast.JoinedStr


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    file : below the root
    function : the outermost function or class around it, or the module's name that is assigned; "" for neither
    start, end : bytes that are replaced by `new`
    before, after : the lines around them, for a reader
    """

    file: str
    function: str
    kind: str
    line: int
    start: int
    end: int
    new: str
    before: str
    after: str

    @property
    def key(self) -> str:
        """Name it by what it changes, whatever the line's number."""
        told = "\0".join((self.file, self.function, self.kind, str(self.start), self.new, self.before))
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def apply(self, source: bytes) -> bytes:
        """Return the mutated file."""
        return source[: self.start] + self.new.encode() + source[self.end :]

    def changes(self, source: bytes) -> bool:
        """Whether the mutated file is Python, and other Python than before."""
        try:
            return ast.dump(ast.parse(self.apply(source))) != ast.dump(ast.parse(source))
        except SyntaxError:
            return False


def of_file(root: Path, file: str) -> list[Mutant]:
    """Return every mutant of a file, in order of lines."""
    source = (root / file).read_bytes()
    return list(_Finder(file, source).all())


def chosen(mutants: Iterable[Mutant], count: int, seed: str) -> list[Mutant]:
    """Draw `count` mutants without replacement, the kinds in turn: numbers are many, indices few."""
    rng = random.Random(seed)
    kinds: dict[str, list[Mutant]] = {}
    for each in mutants:
        kinds.setdefault(each.kind, []).append(each)
    names = sorted(kinds)
    rng.shuffle(names)
    for name in names:
        rng.shuffle(kinds[name])
    total, found = sum(map(len, kinds.values())), []
    for name in cycle(names):
        if len(found) == min(count, total):
            return found
        if kinds[name]:
            found.append(kinds[name].pop())
    return found


class _Finder:
    """Walk one file; a node's place is in bytes, as `ast` counts columns."""

    def __init__(self, file: str, source: bytes) -> None:
        self.file, self.source, self.lines = file, source, source.splitlines(keepends=True)
        self.offsets = [0]
        for line in self.lines:
            self.offsets.append(self.offsets[-1] + len(line))
        self.function = ""
        self.named: set[str] = set()  # tuples that are premises, as in follows(..., *positive)
        self.premises: list[ast.expr] = []
        self.least: list[ast.expr] = []  # constants below a premise's symbol: one more would ask for less

    def all(self) -> Iterator[Mutant]:
        for statement in ast.parse(self.source).body:
            self.function = name_of(statement)
            starred = [each.value for each in ast.walk(statement) if isinstance(each, ast.Starred)]
            self.named = {each.id for each in starred if isinstance(each, ast.Name)}
            if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign):
                yield from self.walk(statement)

    def walk(self, node: ast.AST) -> Iterator[Mutant]:
        self._see_premises(node)
        yield from self.changes(node)
        for child in _formulas(node):
            yield from self.walk(child)

    def _see_premises(self, node: ast.AST) -> None:
        """Note the premises of `follows`, written there or named, and the constants that bound them from below."""
        premises: list[ast.expr] = []
        match node:
            case ast.Call(func=ast.Name(id="follows"), args=[_, *premises]):
                pass
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Tuple(elts=elements)) if name in self.named:
                premises = elements
        self.premises += premises
        for each in premises:
            if isinstance(each, ast.Compare) and isinstance(each.ops[0], ast.Gt | ast.GtE):
                self.least += each.comparators

    def changes(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                if value == 0 or abs(value) > TOLERANCE:
                    yield self.replace("constant", node, repr(_other(value, -1 if node in self.least else 1)))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                yield self.replace("sign", node, f"({self.text(operand)})")
            case ast.BinOp(op=ast.Add() | ast.Sub(), left=left, right=right):
                yield from self.operator("sign", left, right, *SIGNS[type(node.op)])
            case ast.BinOp(op=ast.Mult() | ast.Div(), left=left, right=right) if not _is_text(left, right):
                yield from self.operator("factor", left, right, *FACTORS[type(node.op)])
            case ast.BinOp(op=ast.Pow(), right=power):
                whole = isinstance(power, ast.Constant) and isinstance(power.value, int)
                yield self.replace("exponent", power, str(power.value + 1) if whole else f"({self.text(power)} + 1)")
            case ast.Subscript(slice=ast.Constant(value=int() as index)):
                yield self.replace("index", node.slice, str(index + 1))
            case ast.Compare(left=first, comparators=rest):
                for left, right, sign in zip([first, *rest], rest, node.ops, strict=False):
                    if type(sign) in COMPARISONS:
                        old, turned = COMPARISONS[type(sign)]
                        yield from self.operator("direction", left, right, old, turned)
                        if isinstance(sign, ast.LtE | ast.GtE) and node not in self.premises:
                            yield from self.operator("strictness", left, right, old, old[0])

    def replace(self, kind: str, node: ast.expr, new: str) -> Mutant:
        return self.mutant(kind, self.start(node), self.end(node), new)

    def operator(self, kind: str, left: ast.expr, right: ast.expr, old: str, new: str) -> Iterator[Mutant]:
        """Change the sign between two operands; brackets may stand around it, and comments on lines between."""
        at = self.end(left)
        while at < self.start(right):
            if self.source[at : at + 1] == b"#":
                at = self.source.index(b"\n", at)
            elif self.source.startswith(old.encode(), at):
                yield self.mutant(kind, at, at + len(old), new)
                return
            at += 1

    def mutant(self, kind: str, start: int, end: int, new: str) -> Mutant:
        first, last = self.line_at(start), self.line_at(end - 1)
        low, high = self.offsets[first], self.offsets[last + 1]
        before = self.source[low:high].decode()
        after = (self.source[low:start] + new.encode() + self.source[end:high]).decode()
        return Mutant(
            self.file,
            self.function,
            kind,
            first + 1,
            start,
            end,
            new,
            " ".join(before.split()),
            " ".join(after.split()),
        )

    def line_at(self, offset: int) -> int:
        return next(i for i, begin in enumerate(self.offsets[1:]) if offset < begin)

    def start(self, node: ast.expr) -> int:
        return self.offsets[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.offsets[node.end_lineno - 1] + node.end_col_offset

    def text(self, node: ast.expr) -> str:
        return self.source[self.start(node) : self.end(node)].decode()


def name_of(statement: ast.stmt) -> str:
    """Name a module's function or class, or what it assigns."""
    match statement:
        case ast.FunctionDef() | ast.ClassDef():
            return statement.name
        case ast.Assign(targets=[target]) | ast.AnnAssign(target=target):
            return ast.unparse(target)
    return ""


def names_in(owner: str) -> list[str]:
    """Return the names that an owner stands for: one, or those of a tuple that are assigned together."""
    return re.findall(r"\w+", owner)


def _formulas(node: ast.AST) -> Iterator[ast.AST]:
    """Return the children that may hold a formula."""
    match node:
        case ast.FunctionDef():
            yield from (default for default in (*node.args.defaults, *node.args.kw_defaults) if default is not None)
            yield from node.body
        case ast.ClassDef():
            yield from node.body
        case ast.AnnAssign():
            yield from filter(None, [node.value])
        case ast.If(body=[ast.Raise()]):
            yield from node.orelse  # the input is refused
        case ast.Raise() | ast.JoinedStr() | ast.Assert():
            return
        case ast.Call():
            yield from _arguments(node)
        case ast.Subscript(slice=ast.Constant(value=int())):
            yield node.value
        case ast.BinOp(op=ast.Pow(), right=ast.Constant()):
            yield node.left
        case _:
            yield from ast.iter_child_nodes(node)


def _arguments(call: ast.Call) -> Iterator[ast.AST]:
    name = ast.unparse(call.func).rpartition(".")[2]
    if name in DRAWS or (name in HOW_MANY and all(isinstance(each, ast.Constant) for each in call.args)):
        return
    yield call.func
    yield from call.args[:2] if name in VERDICTS else call.args
    if name not in VERDICTS:
        yield from (each.value for each in call.keywords if each.arg not in NO_FORMULA)


def _other(value: float, way: int) -> float:
    """One more or less, or a tenth more or less of what is no whole number."""
    return value + way if value == int(value) else (1 + way / 10) * value


def _is_text(*operands: ast.expr) -> bool:
    """Whether one is repeated, and nothing multiplied."""
    return any(
        isinstance(each, TEXTS) or (isinstance(each, ast.Constant) and isinstance(each.value, str)) for each in operands
    )
