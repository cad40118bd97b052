"""`workbench simulate`: a sweep of configurations, or a designed code and every baseline on the same stragglers."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
import msgspec
import numpy as np

from workbench.cli.options import ITERATIONS, JOBS, RUNS, SEED, check_out
from workbench.core import catalogue
from workbench.core.errors import InputError
from workbench.core.types import FloatArray

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.engine.compare import Comparison, Method, Separation

PROBLEMS = tuple(name.replace("_", "-") for name in catalogue.problems())


@click.command()
@click.argument("config", required=False)
@click.option("--out", metavar="PATH", help="Folder of the results; with --code, a file for the JSON.")
@click.option("--jobs", type=JOBS, default=2, show_default=True, help="Processes; the result does not depend on it.")
@click.option("--cluster", metavar="ADDRESS", help="A Dask scheduler to run on instead, for instance tcp://host:8786.")
@click.option("--resume", is_flag=True, help="Go on with a folder that holds results already.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--code", "code_path", metavar="FILE", help="Instead of CONFIG: code.json of `workbench design --out`.")
@click.option(
    "--problem",
    "problem_key",
    type=click.Choice(PROBLEMS),
    default="least-squares",
    show_default=True,
    help="With --code: what to train.",
)
@click.option("--runs", type=RUNS, default=50, show_default=True, help="With --code: straggler histories.")
@click.option("--iterations", type=ITERATIONS, default=300, show_default=True, help="With --code: rounds of each run.")
@click.option("--as-designed", is_flag=True, help="With --code: keep codes designed for another dimension.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="With --code: of everything random.")
@click.pass_context
def command(
    context: click.Context,
    /,
    config: str | None,
    out: str | None,
    jobs: int,
    cluster: str | None,
    resume: bool,
    as_json: bool,
    code_path: str | None,
    **comparison: Any,
) -> None:
    """Run the configurations of CONFIG.toml, or, with --code, a designed code and every baseline beside it.

    CONFIG.toml holds one configuration or a grid of them; each has one file in the folder of results (by default
    CONFIG.results), named by the hash of all that determines it. A sweep that was stopped goes on with --resume.

    With --code each method gets the constant step size that is best for it in pilot runs, from one grid. A code
    designed for another dimension than the problem's is designed anew, as its bits would be wrong here.
    """
    if (config is None) == (code_path is None):
        raise click.UsageError("give either CONFIG.toml or --code FILE")
    given = [
        name for name in context.params if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    foreign = set(given) & ({"cluster", "resume"} if code_path is not None else {*comparison})
    if foreign:
        other = "CONFIG.toml" if code_path is not None else "--code"
        raise click.UsageError(f"--{min(foreign).removesuffix('_key').replace('_', '-')} goes with {other} only")
    if config is not None:
        from workbench.cli.sweep import sweep

        sweep(config, out=out, jobs=jobs, cluster=cluster, resume=resume, as_json=as_json)
    elif code_path is not None:
        compare_code(code_path, out=out, jobs=jobs, as_json=as_json, **comparison)


def compare_code(
    code_path: str,
    *,
    problem_key: str,
    runs: int,
    iterations: int,
    as_designed: bool,
    seed: int,
    jobs: int,
    out: str | None,
    as_json: bool,
) -> None:
    """Train with a designed code and with every baseline of the same budget, on the same stragglers."""
    from workbench.codes import optimally_structured
    from workbench.core.atomic import write_atomically
    from workbench.engine.compare import coded_schemes, compare
    from workbench.engine.setup import build_problem, delay_of
    from workbench.formats.code import read_code
    from workbench.moments.design_comparison import OPTIMAL, design_baselines
    from workbench.schemes.scheme import Setting
    from workbench.schemes.wait_for_all import WaitForAll

    check_out(out, code_path)
    designed = read_code(code_path)
    problem = build_problem(problem_key.replace("-", "_"), designed.spec.n_parts, seed=seed)
    profile, spec, code = designed.profile, designed.spec, designed.code
    if problem.dim != spec.dim:
        note = f"the code was designed for {spec.dim:,} coordinates, {problem_key} has {problem.dim:,}"
        if as_designed or code.family != OPTIMAL:
            click.echo(f"workbench: {note}: its bits are not the best ones here", err=True)
        else:
            click.echo(f"workbench: {note}: all codes are designed anew (--as-designed keeps them)", err=True)
            spec = replace(spec, dim=problem.dim)
            code = optimally_structured.design_for_bits(
                profile, spec, optimally_structured.allocate(profile.straggle_prob, spec).bits
            )
    baselines = design_baselines(profile, spec, seed=designed.seed)
    if code.family in (*baselines, WaitForAll.name):
        raise InputError(f"{code_path}: the family '{code.family}' is a baseline here: rename it in the file")
    schemes = coded_schemes(
        Setting(problem, delay_of(profile)),
        [code, *baselines.values()],
        deadline_s=profile.deadline_s,
        reference=profile.delay is not None,  # without delays, nobody knows how long waiting takes
    )
    comparison = compare(schemes, n_iters=iterations, n_runs=runs, seed=seed, n_jobs=jobs, progress=_progress)
    content = msgspec.json.encode(as_object(comparison, problem_key, code.family))
    if out is not None:
        write_atomically(out, content)
    if as_json:
        click.echo(content)
        return
    from rich.console import Console

    show(comparison, code.family, Console(highlight=False, soft_wrap=True))


def _progress(stage: str, done: int, total: int) -> None:
    """Keep one line of progress on a terminal's stderr."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r{stage}: {done} of {total} methods{end}")
        sys.stderr.flush()


def as_object(comparison: "Comparison", problem: str, base: str) -> dict[str, object]:
    """Return all curves and the separation from `base` as one JSON object; null is not finite."""
    from workbench.engine.compare import separation

    return {
        "problem": problem,
        "config": comparison.methods[0].trajectory.config,
        "methods": {method.name: _curves(method) for method in comparison.methods},
        "separation": [vars(each) for each in separation(comparison, base)],
    }


def _curves(method: "Method") -> dict[str, object]:
    from workbench.engine.compare import mean_band, typical

    trajectory = method.trajectory
    mean, low, high = mean_band(trajectory.loss)
    return {
        "step_size": method.step_size,
        "step_size_at_edge_of_grid": method.at_edge,
        "diverged_rate": method.diverged_rate,
        "iterations": trajectory.iterations.tolist(),
        "seconds": _listed(typical(trajectory.seconds)),
        "bits_up": _listed(typical(trajectory.bits_up)),
        "loss": {"mean": _listed(mean), "low": _listed(low), "high": _listed(high), "confidence": 0.95},
    }


def _listed(values: FloatArray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def show(comparison: "Comparison", base: str, console: "Console") -> None:
    """Print where every method ended, best first, and what the runs can tell apart."""
    from rich.table import Table

    from workbench.engine.compare import mean_band, separation, typical

    config = comparison.methods[0].trajectory.config
    apart = {each.name: each for each in separation(comparison, base)}
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left")
    table.title = f"{config['problem']}: {config['n_runs']} runs of {config['n_iters']} rounds; difference to {base}"
    for heading in ("method", "final loss, 95 %", "seconds", "Mbit", "paired difference"):
        table.add_column(heading, justify="left" if heading == "method" else "right", no_wrap=True)
    rows = []
    for method in comparison.methods:
        mean, _, high = (curve[-1] for curve in mean_band(method.trajectory.loss))
        verdict = "" if method.name == base else _verdict(apart[method.name])
        if method.diverged_rate:
            verdict += f", {method.diverged_rate:.0%} diverged"
        seconds = typical(method.trajectory.seconds)[-1]
        bits = typical(method.trajectory.bits_up)[-1]
        cells = f"{mean:.5g} ± {high - mean:.1g}", f"{seconds:.4g}", f"{bits / 1e6:.4g}"
        rows.append((mean, (method.name, *cells, verdict)))
    for _, row in sorted(rows, key=lambda each: each[0]):
        table.add_row(*row)
    console.print(table)


def _verdict(apart: "Separation") -> str:
    if not apart.is_separated:
        return f"not separated, p={apart.p_value:.2g}"
    p_value = f"p={apart.p_value:.1g}" if apart.p_value >= 1e-3 else "p<0.001"
    return f"{apart.difference:+.3g}, {p_value}"
