"""`workbench design`: the optimal code for a log or a profile, beside what the same budget buys elsewhere."""

from typing import TYPE_CHECKING, get_args

import click
import msgspec
import numpy as np

from workbench.cli.options import COUNT, SEED, check_out, parse_deadline, read_trace
from workbench.cli.profile import warn_late
from workbench.codes import optimally_structured
from workbench.codes.code import DesignSpec, Structure
from workbench.core.atomic import write_atomically
from workbench.core.errors import InputError
from workbench.core.types import FloatArray, MomentKind, VarianceConstant
from workbench.moments.design_comparison import DesignComparison, Evaluated, compare, dense_moments
from workbench.moments.estimate import Moments
from workbench.stragglers.profile import StragglerProfile

if TYPE_CHECKING:
    from rich.console import Console

LOPSIDED = 2  # times the mean load, from where on it is worth a warning
DESIGN_GRID = 40  # deadlines at which the bits are allocated anew


@click.command()
@click.argument("source", required=False)
@click.option("--parts", "n_parts", required=True, type=COUNT, help="P, parts of the data.")
@click.option("--dim", required=True, type=COUNT, help="d, coordinates of a gradient.")
@click.option("--budget", required=True, type=COUNT, help="B, bits a coordinate summed over all workers.")
@click.option(
    "--variance-constant",
    type=click.Choice(["tight", "paper", "qsgd"]),
    default="tight",
    show_default=True,
    help="Bound on the quantizer's variance that the design trusts.",
)
@click.option("--allow-idle", is_flag=True, help="Let workers get 0 bits and no part.")
@click.option(
    "--structure",
    type=click.Choice(get_args(Structure)),
    default="sparse",
    show_default=True,
    help="Which of the optimal codes, all of one worst-case error.",
)
@click.option("--replication", type=COUNT, help="Of the baselines; by default the optimal code's load, at least 2.")
@click.option("--where", multiple=True, metavar="KEY=VALUE", help="Select a group of the log; repeatable.")
@click.option("--deadline", help="Seconds, or auto; by default the profile's own, and auto for a log.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of random placements and sampled errors.")
@click.option("--out", metavar="FILE", help="Write code.json here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def command(
    source: str | None,
    n_parts: int,
    dim: int,
    budget: int,
    variance_constant: VarianceConstant,
    allow_idle: bool,
    structure: Structure,
    replication: int | None,
    where: tuple[str, ...],
    deadline: str | None,
    seed: int,
    out: str | None,
    as_json: bool,
) -> None:
    """Design the optimal code for SOURCE, a log (CSV) or a profile (JSON); by default the embedded log."""
    from workbench.formats.code import code_to_json

    check_out(out, source)
    spec = DesignSpec(n_parts, dim, budget, replication or 2, variance_constant, allow_idle, structure)
    profile = read_source(source, where, deadline, spec, seed=seed)
    comparison = compare(profile, spec, seed=seed, match_load=replication is None)
    if out is not None:
        write_atomically(out, code_to_json(comparison))
    if as_json:
        click.echo(msgspec.json.encode(as_object(comparison)))
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    show(comparison, console)
    if out is not None:
        console.print(f"\nwritten to {out}", markup=False)


def read_source(
    source: str | None, where: tuple[str, ...], deadline: str | None, spec: DesignSpec, *, seed: int
) -> StragglerProfile:
    """Read a profile.json, or fit a log; `auto` weighs each deadline by the utility of the bits it would get."""
    from workbench.formats.profile import read_profile
    from workbench.stragglers.profile import at_deadline, estimate_profile

    if source is not None and source.lower().endswith(".json"):
        if where:
            raise InputError(f"--where selects in a log, and {source} is a profile: leave it out")
        profile = read_profile(source)
        spec.check_size(profile.n_workers)
        return profile if deadline is None else at_deadline(profile, parse_deadline(deadline), source)
    log = read_trace(source, where)
    spec.check_size(log.n_workers)

    def utility(straggle_prob: FloatArray) -> float:
        return optimally_structured.allocate(straggle_prob, spec).utility

    return estimate_profile(
        log, parse_deadline(deadline or "auto"), seed=seed, utility=utility, n_deadlines=DESIGN_GRID
    )


def as_object(comparison: DesignComparison) -> dict[str, object]:
    """Return the design as one JSON object; errors are for unit part gradients, ‖g_j‖ = 1."""
    optimal, profile, spec = comparison.optimal, comparison.profile, comparison.spec
    found = comparison.decomposition
    dense = dense_moments(optimal.moments, spec.n_parts)
    evidence = profile.evidence
    return {
        "bits": optimal.code.bits.tolist(),
        "straggle_prob": profile.straggle_prob.tolist(),
        "utility": comparison.allocation.utility,
        "utility_upper_bound": comparison.allocation.upper_bound,
        "utility_dual_bound": comparison.dual_bound,
        "residual_bound": comparison.residual_bound,
        "nnz": optimal.code.encode.nnz,
        "decomposition": vars(found) | {"is_proved": found.is_proved} if found else None,
        "deadline_s": profile.deadline_s,
        "max_load": int(optimal.code.placement.load.max()),
        "idle_workers": int(np.sum(optimal.code.bits == 0)),
        **_figures(optimal),
        "bits_spent": int(optimal.code.bits.sum()),
        "dense": {"nnz": int(np.sum(optimal.code.bits > 0)) * spec.n_parts, "mse_orthonormal": dense.orthonormal.mse},
        "baselines": {name: _figures(each) | {"bits": int(each.code.bits.sum())} for name, each in _sorted(comparison)},
        "spec": vars(spec),
        "seed": comparison.seed,
        "workers": profile.n_workers,
        "source": evidence.source if evidence else None,
        "sha256": evidence.sha256 if evidence else None,
    }


def _figures(evaluated: Evaluated) -> dict[str, object]:
    """Return bias, errors and load of one code."""
    moments = evaluated.moments
    return {
        "bias": moments.max_bias,
        "mse_aligned": moments.aligned.mse,
        "mse_orthonormal": moments.orthonormal.mse,
        "mse_aligned_rescaled": moments.aligned.rescaled,
        "mse_orthonormal_rescaled": moments.orthonormal.rescaled,
        "worst_case": moments.worst_case,
        "load": evaluated.code.load,
        "moments": str(moments.kind),
        "standard_error_aligned": moments.standard_error,
        "standard_error_orthonormal": moments.standard_error_orthonormal,
        "standard_error_worst_case": moments.standard_error_worst_case,
    }


def _sorted(comparison: DesignComparison) -> list[tuple[str, Evaluated]]:
    """Return the baselines, least worst case first."""
    return sorted(comparison.baselines.items(), key=lambda item: item[1].moments.worst_case)


def show(comparison: DesignComparison, console: "Console") -> None:
    """Print the design for people."""
    from rich.table import Table

    optimal, profile, spec = comparison.optimal, comparison.profile, comparison.spec
    code, allocation = optimal.code, comparison.allocation
    deadline = "not given" if profile.deadline_s is None else f"{profile.deadline_s:.6g} s"
    console.print(
        f"{profile.n_workers} workers, {spec.n_parts} parts, {spec.dim:,} coordinates, "
        f"{spec.bit_budget} bits a coordinate, deadline {deadline}, variance constant {spec.variance_constant}\n"
    )
    console.print("[bold]Optimal code[/bold]")
    console.print(
        f"  utility U = {allocation.utility:.6g}, the most of any allocation of these bits (Lagrangian dual: at most "
        f"{comparison.dual_bound:.6g})"
    )
    console.print(
        f"  worst-case error P²/U = {comparison.residual_bound:.6g} for part gradients of norm 1, the least bound of "
        "unbiased codes with fixed decoding weights"
    )
    counts = zip(*np.unique(code.bits, return_counts=True), strict=True)
    console.print("  " + ", ".join(f"{n} workers at {b} bits" for b, n in counts))
    load = code.placement.load
    console.print(
        f"  {spec.structure} structure: {code.encode.nnz} (worker, part) pairs, load {code.load:.3g}; the busiest "
        f"worker holds {load.max()} of {spec.n_parts} parts"
    )
    if (found := comparison.decomposition) is not None:
        known = (
            "no optimal code has fewer pairs, proved"
            if found.is_proved
            else f"few pairs by a heuristic: up to {found.upper_bound} groups are not excluded"
        )
        console.print(
            f"  {found.nonzeros} = {np.sum(code.bits > 0)} busy workers + {spec.n_parts} parts - "
            f"{found.n_groups} groups that share no part; {known}"
        )
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left")
    table.title = "\nError of one round's gradient sum at the same budget, ‖g_j‖ = 1 (~ sampled, ± standard error)"
    for heading in ("code", "bias", "aligned", "orthonormal", "worst case", "load", "bits"):
        table.add_column(heading, justify="left" if heading == "code" else "right", no_wrap=True)
    for name, each in [(code.family, optimal), *_sorted(comparison)]:
        table.add_row(name, *_row(each.moments), f"{each.code.load:.3g}", str(each.code.bits.sum()))
        if each is optimal and spec.structure != "dense":
            dense = dense_moments(optimal.moments, spec.n_parts)
            table.add_row("  its dense form", *_row(dense), str(np.sum(code.bits > 0)), str(code.bits.sum()))
    console.print(table)
    aligned = min(comparison.baselines.items(), key=lambda item: item[1].moments.aligned.rescaled)
    orthonormal = min(comparison.baselines.items(), key=lambda item: item[1].moments.orthonormal.rescaled)
    console.print(
        f"\nAfter each code's best constant factor, as a tuned step size gives it: aligned "
        f"{optimal.moments.aligned.rescaled:.4g} against {aligned[1].moments.aligned.rescaled:.4g} ({aligned[0]}), "
        f"orthonormal {optimal.moments.orthonormal.rescaled:.4g} against "
        f"{orthonormal[1].moments.orthonormal.rescaled:.4g} ({orthonormal[0]})."
    )
    warn_late(profile, console)
    if comparison.busiest_share > LOPSIDED:
        console.print(
            f"\nThe probabilities were taken as independent of the load; the busiest worker holds "
            f"{comparison.busiest_share:.2g} times the mean of those that hold any part."
        )


def _row(moments: Moments) -> tuple[str, str, str, str]:
    """Return bias, errors and worst case as text."""
    bias = f"{moments.max_bias:.2g}" if moments.max_bias > 1e-9 else "0"
    aligned, orthonormal = moments.aligned.mse, moments.orthonormal.mse
    worst = f"{moments.worst_case:.4g}"
    if moments.kind is not MomentKind.SAMPLED:
        return bias, f"{aligned:.4g}", f"{orthonormal:.4g}", worst
    error, error_orthonormal = moments.standard_error, moments.standard_error_orthonormal
    return bias, f"~{aligned:.3g}±{error:.0e}", f"~{orthonormal:.3g}±{error_orthonormal:.0e}", f"~{worst}"
