"""`workbench profile`: a response-time log -> each worker's straggle probability."""

from typing import TYPE_CHECKING

import click
import numpy as np

from workbench.cli.options import SEED, check_out, parse_deadline, read_trace
from workbench.core.atomic import write_atomically
from workbench.core.types import FloatArray
from workbench.formats.profile import profile_to_json
from workbench.stragglers.deadline import DeadlineCurve
from workbench.stragglers.fit import BASELINE
from workbench.stragglers.profile import ProfileEvidence, StragglerProfile, estimate_profile

if TYPE_CHECKING:
    from rich.console import Console

BLOCKS = "▁▂▃▄▅▆▇█"
CURVE_WIDTH = 60
CURVE_HEIGHT = 2.0  # the picture ends at this multiple of the least time
FEW_ROUNDS = 20
SHOWN_WORKERS = 3  # from each end


@click.command()
@click.argument("trace", required=False)
@click.option("--where", multiple=True, metavar="KEY=VALUE", help="Select a group of the log; repeatable.")
@click.option("--deadline", default="auto", show_default=True, help="Seconds, or auto.")
@click.option("--out", metavar="FILE", help="Write profile.json here.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of intervals and simulated p-values.")
@click.option("--json", "as_json", is_flag=True, help="Print profile.json instead of tables.")
def command(
    trace: str | None, where: tuple[str, ...], deadline: str, out: str | None, seed: int, as_json: bool
) -> None:
    """Fit delay laws to the log TRACE (CSV with round, worker, response_s) and say who straggles how often.

    Without TRACE, the log that travels with the package is used.
    """
    deadline_s = parse_deadline(deadline)
    check_out(out, trace)
    profile = estimate_profile(read_trace(trace, where), deadline_s, seed=seed)
    content = profile_to_json(profile)
    if out is not None:
        write_atomically(out, content)
    if as_json:
        click.echo(content)
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    show(profile, console, chosen=deadline_s == "auto")
    if out is not None:
        console.print(f"\nwritten to {out}", markup=False)


def show(profile: StragglerProfile, console: "Console", *, chosen: bool) -> None:
    """Print the profile for people."""
    from rich.markup import escape
    from rich.table import Table

    evidence = profile.evidence or ProfileEvidence(0)
    group = ", ".join(f"{key}={value}" for key, value in evidence.group.items())
    console.print(f"[bold]{escape(evidence.source)}[/bold] {escape(group)}")
    console.print(
        f"{profile.n_workers} workers, {evidence.rounds} rounds, {evidence.n_missing} responses missing, "
        f"sha256 {evidence.sha256[:12]}\n"
    )
    table = Table("delay law", "log score", "behind the best", "Brier score", box=None, pad_edge=False)
    table.title, table.title_justify = "Prediction of rounds left out: less is better, ± standard error", "left"
    table.caption, table.caption_justify = f"{BASELINE}: one law for all workers", "left"
    for score in evidence.families:
        table.add_row(
            score.family,
            f"{score.log_score:.4f} ± {score.log_score_error:.4f}",
            f"{score.behind:.4f} ± {score.behind_error:.4f}",
            f"{score.brier:.4f} ± {score.brier_error:.4f}",
        )
    console.print(table)
    how = "least deadline x (1 + 1/U) without quantization; design weighs in the bits" if chosen else "as given"
    console.print(f"\n[bold]Deadline {profile.deadline_s:.6g} s[/bold] ({how})")
    if evidence.deadline_curve is not None:
        for line in draw_curve(evidence.deadline_curve):
            console.print(line)
    warn_late(profile, console)
    _show_workers(profile, console)
    _show_trust(profile, evidence, console)


def draw_curve(curve: DeadlineCurve) -> list[str]:
    """Return the predicted time to a given error against the deadline as lines of text, the least marked."""
    time = np.where(np.isfinite(curve.time_to_error), curve.time_to_error, np.inf)  # (K,)
    least = float(time[curve.best])
    near = np.flatnonzero(time <= CURVE_HEIGHT * least)
    left, right = curve.deadline_s[near[0]], curve.deadline_s[near[-1]]
    at = np.linspace(left, right, CURVE_WIDTH)  # (columns,)
    index = np.maximum(np.searchsorted(curve.deadline_s, at, side="right") - 1, 0)
    height = np.clip((time[index] / least - 1) / (CURVE_HEIGHT - 1), 0, 1)  # (columns,)
    bars = "".join(BLOCKS[int(level)] for level in np.round(height * (len(BLOCKS) - 1)))
    mark = int(np.argmin(np.abs(at - curve.best_s)))
    ends = f"{left:.4g} s"
    return [
        f"  time to a given error, from {least:.4g} (least) to {CURVE_HEIGHT:g} times that",
        f"  {bars}",
        f"  {' ' * mark}^ {curve.best_s:.4g} s",
        f"  {ends}{f'{right:.4g} s':>{CURVE_WIDTH - len(ends)}}",
    ]


def _show_workers(profile: StragglerProfile, console: "Console") -> None:
    prob, interval = profile.straggle_prob, profile.interval
    quantiles = np.quantile(prob, [0, 0.1, 0.5, 0.9, 1])
    names = ("least", "10 %", "median", "90 %", "most")
    summary = ", ".join(f"{name} {value:.3g}" for name, value in zip(names, quantiles, strict=True))
    console.print(f"\n[bold]Straggle probability[/bold]: {summary}; mean {prob.mean():.3g}")
    order = np.argsort(prob, kind="stable")
    if len(order) > 2 * SHOWN_WORKERS:
        order = np.concatenate([order[:SHOWN_WORKERS], order[-SHOWN_WORKERS:]])
        console.print(f"the {SHOWN_WORKERS} most and the {SHOWN_WORKERS} least reliable workers, 95 % intervals:")
    for worker in order:
        ends = "" if interval is None else _interval(interval[:, worker])
        console.print(f"  worker {profile.workers[worker]}: {prob[worker]:.3g} {ends}", markup=False)


def warn_late(profile: StragglerProfile, console: "Console") -> None:
    """Say so when most responses would be thrown away."""
    used = 1 - float(profile.straggle_prob.mean())
    if used < 0.5:
        console.print(
            f"\nOnly {used:.0%} of the responses come within this deadline; compare with a later one, and with waiting"
        )


def _interval(ends: FloatArray) -> str:
    return f"[{ends[0]:.3g}, {ends[1]:.3g}]"


def _show_trust(profile: StragglerProfile, evidence: ProfileEvidence, console: "Console") -> None:
    console.print("\n[bold]How far to trust it[/bold]")
    if evidence.calibration is not None:
        pairs = zip(evidence.calibration.predicted, evidence.calibration.observed, strict=True)
        bins = ", ".join(f"{predicted:.2g} -> {observed:.2g}" for predicted, observed in pairs)
        console.print(f"- predicted -> observed in rounds left out, fifths of the workers: {bins}")
    if evidence.fits:
        p_values = [each.ks_p_value for each in evidence.fits if each.ks_p_value is not None]
        if p_values:
            poor = sum(p_value < 0.05 for p_value in p_values)
            console.print(
                f"- {poor} of {profile.n_workers} workers differ from their fitted law at the 5 % level, where chance "
                "alone gives 1 in 20 (Kolmogorov-Smirnov, parametric bootstrap)"
            )
        else:
            console.print("- no test of fit: this law holds the workers' own responses and could not fail one")
    if evidence.independence is not None:
        console.print(f"- {evidence.independence.statement}")
    if evidence.n_missing:
        console.print("- a missing response counts as later than every deadline considered here")
    if evidence.rounds < FEW_ROUNDS:
        console.print(f"- only {evidence.rounds} rounds: the estimates lean on the workers resembling each other")
