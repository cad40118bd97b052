"""`workbench report`: the whole story of one log, and every claim of the papers, as self-contained HTML pages."""

import time
from pathlib import Path

import click

from workbench.cli.options import BITS, COUNT, JOBS, SEED, read_trace
from workbench.core.errors import InputError
from workbench.core.types import VarianceConstant


@click.command()
@click.argument("trace", required=False)
@click.option("--where", multiple=True, metavar="KEY=VALUE", help="Select a group of the log; repeatable.")
@click.option("--out", default="report", show_default=True, metavar="DIR", help="Folder to write into.")
@click.option("--parts", "n_parts", type=COUNT, default=64, show_default=True, help="P, parts of the data.")
@click.option("--dim", type=COUNT, default=5_000_000, show_default=True, help="d, coordinates of a gradient.")
@click.option("--bits", type=BITS, default=4, show_default=True, help="Bits a coordinate and worker, on average.")
@click.option(
    "--variance-constant",
    type=click.Choice(["tight", "paper", "qsgd"]),
    default="tight",
    show_default=True,
    help="Bound on the quantizer's variance.",
)
@click.option("--allow-idle", is_flag=True, help="Let workers get 0 bits and no part.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of everything random.")
@click.option("--figures", default="build/figures", show_default=True, metavar="DIR", help="Where `figures` put them.")
@click.option("--jobs", type=JOBS, default=2, show_default=True, help="Processes; the result does not depend on it.")
def command(
    trace: str | None,
    where: tuple[str, ...],
    out: str,
    n_parts: int,
    dim: int,
    bits: int,
    variance_constant: VarianceConstant,
    allow_idle: bool,
    seed: int,
    figures: str,
    jobs: int,
) -> None:
    """Profile the log TRACE, design, compare, train, judge, and write DIR/report.html, its pictures, and the
    profile.json and code.json behind it; and DIR/papers.html, what became of every claim of the papers, with
    their figures as far as `workbench figures` has computed them.

    Without TRACE, the log that travels with the package is used.
    """
    from proofs_check.settle import require_provers
    from workbench.core.atomic import write_atomically
    from workbench.engine.setup import build_problem
    from workbench.formats.code import code_to_json
    from workbench.formats.profile import profile_to_json
    from workbench.report import page, papers
    from workbench.report.study import StudyConfig, run_study

    log = read_trace(trace, where)
    config = StudyConfig(n_parts, dim, bits, variance_constant, allow_idle, seed)
    config.spec(log.n_workers, dim).check_size(log.n_workers)
    for training in config.trainings:
        build_problem(training.problem, n_parts, seed=seed)  # what is missing is said before the work begins
    require_provers()
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be made ({error.strerror}): choose another folder") from None
    began = time.monotonic()

    def progress(text: str) -> None:
        click.echo(f"{time.monotonic() - began:6.0f} s  {text}", err=True)

    study = run_study(log, config, n_jobs=jobs, progress=progress)
    write_atomically(folder / "profile.json", profile_to_json(study.profile))
    write_atomically(folder / "code.json", code_to_json(study.design))
    claims = papers.run_papers(figures=Path(figures), n_jobs=jobs, progress=progress)
    progress("drawing")
    pictures = page.draw(study)
    for name, svg in pictures.items():
        write_atomically(folder / f"{name}.svg", svg.encode())
    write_atomically(folder / papers.FILE, papers.render(claims, papers.draw(claims, jobs)).encode())
    write_atomically(folder / "report.html", page.render(study, pictures, claims.counts).encode())
    click.echo(f"written to {folder / 'report.html'}")
