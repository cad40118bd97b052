"""`workbench bounds`: the papers' convergence bounds as functions, listed or evaluated."""

import decimal
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, get_type_hints

import click
import msgspec
import numpy as np

from workbench import worst_cases
from workbench.core import catalogue
from workbench.core.claims import Bound, claim_of
from workbench.core.errors import InputError
from workbench.core.types import Regularity
from workbench.engine import configure

CONSTANTS = tuple(each.name for each in fields(Regularity) if each.name != "optimum")
WORST = {
    "lower": ("worst case >=", decimal.ROUND_FLOOR),
    "upper": ("worst case <=", decimal.ROUND_CEILING),
    "pepit": ("PEPit, noise of two values:", decimal.ROUND_HALF_EVEN),
}


@click.command()
@click.argument("key", required=False)
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A number or a JSON list; repeatable.")
@click.option("--worst-case", is_flag=True, help="Also find the exact worst case, certified; for a few rounds.")
@click.option("--pepit", is_flag=True, help="With --worst-case: PEPit's answer, over noise of two values.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(key: str | None, params: tuple[str, ...], worst_case: bool, pepit: bool, as_json: bool) -> None:
    """Evaluate the bound KEY, for instance hetero_gc/theorem_2; without KEY, list all and what they take.

    The constants of a loss (strong_convexity, smoothness, grad_bound_sq, ...) are parameters like the others.
    """
    found = {f"{paper}/{name}": each for paper, own in catalogue.bounds().items() for name, each in own.items()}
    if pepit and not worst_case:
        raise InputError("--pepit is a second opinion on the worst case: add --worst-case")
    if key is None:
        if worst_case:
            raise InputError(f"--worst-case needs a KEY: one of {', '.join(worst_cases.BESIDE)}")
        rows = {name: _row(each) for name, each in found.items()}
        click.echo(msgspec.json.encode(rows) if as_json else "\n".join(_line(name, row) for name, row in rows.items()))
        return
    if key not in found:
        raise InputError(f"unknown bound '{key}': `workbench bounds` lists all {len(found)}")
    table, worst = _parsed(params), {}
    if worst_case:
        worst = _worst_case(key, dict(table), pepit=pepit)
        table = {name: value for name, value in table.items() if name in {*CONSTANTS, *get_type_hints(found[key])}}
    bound = evaluate(found[key], table, key)
    value = np.atleast_1d(np.asarray(bound.value, float)).tolist()
    if as_json:
        row = _row(found[key]) | {"key": key, "value": value, "quantity": bound.quantity}
        click.echo(msgspec.json.encode(row | ({"worst_case": worst} if worst else {})))
    else:
        click.echo(f"{bound.quantity} <= {_listed(value)}")
        for name, values in worst.items():
            text, rounding = WORST[name]
            click.echo(f"{text} {_listed(values, rounding)}")


def _worst_case(key: str, table: dict[str, Any], *, pepit: bool) -> dict[str, list[float]]:
    """Return the ends of the worst case beside a bound, and PEPit's number if wanted."""
    if key not in worst_cases.BESIDE:
        raise InputError(f"there is no worst case beside '{key}': choose one of {', '.join(worst_cases.BESIDE)}")
    found: worst_cases.WorstCases = _call(worst_cases.BESIDE[key], table, key)
    ends = {"lower": found.lower.tolist(), "upper": found.upper.tolist()}
    return ends | ({"pepit": found.by_pepit().tolist()} if pepit else {})


def _listed(values: list[float], rounding: str = decimal.ROUND_HALF_EVEN) -> str:
    """Ten digits each, rounded so that what is certified stays true."""
    context = decimal.Context(prec=10, rounding=rounding)
    return ", ".join(f"{float(context.create_decimal_from_float(each)):.10g}" for each in values)


def evaluate(function: Callable[..., Any], table: dict[str, Any], where: str) -> Bound:
    """Call a bound with plain values; the constants of a loss are gathered into its Regularity.

    Raises
    ------
    InputError : a parameter that it does not take, one that is missing, a value that it refuses, values that no
        problem has: all that is bounded is a square, a gap, a probability or a time
    """
    bound = _call(function, table, where)
    if not isinstance(bound, Bound):
        raise InputError(f"{where} gives no bound but a {type(bound).__name__}")
    if np.any(np.asarray(bound.value) < 0):
        raise InputError(f"{where}: {bound.quantity} <= {np.min(bound.value):g} is below 0: look at the values' signs")
    return bound


def _call(function: Callable[..., Any], table: dict[str, Any], where: str) -> Any:
    known: dict[str, Any] = {}
    for name, annotation in get_type_hints(function).items():
        if annotation is Regularity:
            constants = {each: table.pop(each) for each in CONSTANTS if each in table}
            known[name] = configure.call(Regularity, table=constants, where=where)
    try:
        with np.errstate(invalid="raise"):  # the root of a negative number is no bound
            return configure.call(function, table=table, where=where, **known)
    except InputError:
        raise
    except (ValueError, TypeError, IndexError, ArithmeticError) as error:
        raise InputError(
            f"{where}: these values do not go together ({error}): compare their lengths and signs"
        ) from None


def _parsed(params: Sequence[str]) -> dict[str, Any]:
    """Return name -> value of `--param name=value` options."""
    table: dict[str, Any] = {}
    for pair in params:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise InputError(f"--param {pair}: write --param name=value")
        if name in table:
            raise InputError(f"--param {name} is given twice: keep one")
        try:
            table[name] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            raise InputError(f"--param {pair}: the value is no number and no JSON list") from None
    return table


def _row(function: Callable[..., Any]) -> dict[str, Any]:
    claim = claim_of(function)
    takes: list[str] = []
    for name, annotation in get_type_hints(function).items():
        if name != "return":
            takes += [f"({'|'.join(CONSTANTS)})"] if annotation is Regularity else [name]
    summary = (function.__doc__ or "").strip().splitlines()[0]
    return {"claim": claim.name, "eq": claim.equation, "summary": summary, "assumes": claim.assumes, "takes": takes}


def _line(key: str, row: dict[str, Any]) -> str:
    return f"{key}\n    {row['summary']}\n    takes {', '.join(row['takes'])}"
