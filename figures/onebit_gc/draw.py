"""Draw the figures of onebit_gc."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from figures.quantities import Arrays
from figures.style import PAGE_IN, banded_curve, graded, legend_above, letter, page, plain_ticks, scheme_style

OVERHEAD = "communication overhead $\\psi_t$ (bits)"
RESIDUAL, ERROR, LOSS = "$\\sqrt{2F(x_t)}$", "error $\\|x_t - x^*\\|$", "training loss $F(x_t)$"
LINES = ("-", "--", "-.")  # of the values of p
DATASETS = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}


def fig2_draw(data: Arrays) -> Figure:
    """1-bit gradient coding against SGC and 1-bit learning that ignores stragglers, on a regression.

    Residuals are above, errors below: over the overhead, over the rounds, and with tuned step sizes.
    """
    figure = page(PAGE_IN, 4.1)
    axes = figure.subplots(2, 3, sharey="row")
    for row, name in zip(axes, ("residual", "error"), strict=True):
        for m, method in enumerate(data["method"]):
            style = scheme_style(method)
            banded_curve(row[0], data["overhead"], data, name, (m,), style)
            banded_curve(row[1], data["round"], data, f"{name}_by_round", (m,), style)
            banded_curve(row[2], data["look"], data, f"tuned_{name}", (m,), style)
        row[0].set_ylabel(RESIDUAL if name == "residual" else ERROR)
        for ax in row:
            ax.set_yscale("log")
    for text, ax in zip("abcdef", (*axes[:, 0], *axes[:, 1], *axes[:, 2]), strict=True):
        letter(ax, text)
    for ax in (*axes[:, 0], *axes[:, 2]):
        _bits(ax)
    for ax in axes[:, 1]:
        ax.set_xlabel("round $t$")
    for ax in axes[0]:
        ax.set_xlabel("")
    for ax in axes[:, 2]:
        ax.set_xlim(left=0)
    axes[0, 0].set_title("step $10^{-5}/t$")
    axes[0, 1].set_title("step $10^{-5}/t$")
    axes[0, 2].set_title("tuned step")
    legend_above(figure, axes[0, 0])
    return figure


def fig3_draw(data: Arrays) -> Figure:
    """1-bit gradient coding with equal and unequal replication of mean 15."""
    labels = {
        "setting_1": "setting 1: 15 copies of each part",
        "setting_2": "setting 2: 10 and 20 copies",
        "setting_3": "setting 3: 5 and 25 copies",
    }
    return _residual_and_error(data, [labels[name] for name in data["setting"]])


def fig4_draw(data: Arrays) -> Figure:
    """1-bit gradient coding over the mean replication: curves, and the overhead to a residual and an error."""
    figure = page(PAGE_IN, 4.1)
    axes = figure.subplots(2, 2)
    _curves(axes[0], data, [f"$D={d}$" for d in data["replication"]])
    targets = ("$\\sqrt{2F} = 1000$", "error 4")
    for ax, name, text, target in zip(axes[1], ("residual", "error"), "cd", targets, strict=True):
        style = scheme_style("one_bit") | {"label": None}
        banded_curve(ax, data["replication"], data, f"overhead_to_{name}", (), style)
        ax.set_xlabel("mean replication $D$ (copies)")
        ax.set_ylabel(f"overhead to {target} (bits)")
        ax.set_ylim(bottom=0)
        ax.yaxis.set_major_formatter(EngFormatter(sep=""))
        letter(ax, text)
    legend_above(figure, axes[0, 0])
    return figure


def fig5_draw(data: Arrays) -> Figure:
    """1-bit gradient coding over the straggling probability."""
    return _residual_and_error(data, [f"$p={p:g}$" for p in data["straggle_prob"]])


def fig6_draw(data: Arrays) -> Figure:
    """1-bit gradient coding against SGC on the Rosenbrock function.

    A curve ends where the first of its runs diverges; the legend tells how many do.
    """
    figure = page(PAGE_IN, 2.9)
    paper, own = figure.subplots(1, 2, sharey=True)
    n_runs = data["diverged"].shape[-1]
    for m, method in enumerate(data["method"]):
        style = scheme_style(method)
        for p, prob in enumerate(data["straggle_prob"]):
            failed = np.count_nonzero(data["diverged"][m, p])
            label = f"{style['label']}, $p={prob:g}$" + (f", {failed}/{n_runs} diverge" if failed else "")
            banded_curve(paper, data["overhead"], data, "loss", (m, p), style, label=label, linestyle=LINES[p])
        banded_curve(own, data["look"], data, "tuned_loss", (m,), style, label=f"{style['label']}, $p=0.1$")
    for ax, text, title in ((paper, "a", "step $10^{-5}$"), (own, "b", "tuned step")):
        ax.set_yscale("log")
        ax.set_xlim(left=0)
        ax.set_ylim(3e3, 2e6)
        ax.set_title(title)
        letter(ax, text)
        _bits(ax)
        ax.legend(loc="lower left")
    paper.set_ylabel(LOSS)
    return figure


def fig7_draw(data: Arrays) -> Figure:
    """1-bit gradient coding on the Rosenbrock function, one parameter varied at a time.

    A curve ends where the first of its runs diverges; the legend tells how many do.
    """
    figure = page(PAGE_IN, 2.5)
    panels = (
        ("step_size", 1e5, "step ${:g}\\times10^{{-5}}$"),
        ("n_workers", 1, "{} workers"),
        ("replication", 1, "$D={}$"),
    )
    for ax, text, (name, unit, label) in zip(figure.subplots(1, 3, sharey=True), "abc", panels, strict=True):
        ends = data[f"end_by_{name}"]
        for v, value in enumerate(data[name]):
            failed = np.count_nonzero(~np.isfinite(ends[v]))
            told = label.format(unit * value) + (f", {failed}/{ends.shape[1]} diverge" if failed else "")
            banded_curve(ax, data["overhead"], data, f"loss_by_{name}", (v,), graded(v, len(ends), told))
        ax.set_yscale("log")
        ax.set_ylim(1e4, 1e6)
        ax.legend(loc="lower left")
        letter(ax, text)
        _bits(ax)
    figure.axes[0].set_ylabel(LOSS)
    return figure


def fig8_draw(data: Arrays) -> Figure:
    """1-bit gradient coding against SGC and 1-bit learning that ignores stragglers, on two classes of images.

    MNIST is above, Fashion-MNIST below: with pixels on [0, 1], on [0, 255], and with tuned step sizes.
    """
    images = "digits 0 and 2 of a selection of 5,000 of MNIST's images; T-shirts and trousers of Fashion-MNIST"
    figure = page(PAGE_IN, 4.1, images)
    axes = figure.subplots(2, 3)
    for d, dataset in enumerate(data["dataset"]):
        for m, method in enumerate(data["method"]):
            style = scheme_style(method)
            for s in range(len(data["pixel_scale"])):
                banded_curve(axes[d, s], data["overhead"], data, "loss", (d, s, m), style)
            banded_curve(axes[d, 2], data["look"], data, "tuned_loss", (d, m), style)
        axes[d, 0].set_yscale("log")
        plain_ticks(axes[d, 0].yaxis)
        axes[d, 0].set_ylabel(f"loss $F(x_t)$, {DATASETS[dataset]}")
    for ax in axes[:, 1:].ravel():
        ax.set_yscale("log")
    for text, ax in zip("abcdef", axes.T.ravel(), strict=True):
        letter(ax, text)
        _bits(ax)
    for ax in axes[0]:
        ax.set_xlabel("")
    axes[0, 0].set_title("pixels to 1, step $10^{-3}/t$")
    axes[0, 1].set_title("pixels to 255, step $10^{-3}/t$")
    axes[0, 2].set_title("pixels to 1, tuned step")
    for ax in axes[:, 2]:
        ax.set_xlim(left=0)
    legend_above(figure, axes[0, 0])
    return figure


def _residual_and_error(data: Arrays, labels: list[str]) -> Figure:
    figure = page(PAGE_IN, 2.6)
    axes = figure.subplots(1, 2)
    _curves(axes, data, labels)
    legend_above(figure, axes[0])
    return figure


def _curves(axes: Any, data: Arrays, labels: list[str]) -> None:
    """Draw residual and error over the overhead, one shade of the 1-bit method for each label."""
    for ax, name, text, what in zip(axes, ("residual", "error"), "ab", (RESIDUAL, ERROR), strict=True):
        for c, label in enumerate(labels):
            banded_curve(ax, data["overhead"], data, name, (c,), graded(c, len(labels), label))
        ax.set_yscale("log")
        plain_ticks(ax.yaxis)
        ax.set_ylabel(what)
        letter(ax, text)
        _bits(ax)


def _bits(ax: Axes) -> None:
    ax.set_xlabel(OVERHEAD)
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))
