"""Draw the figures of fastest_k."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.quantities import Arrays
from figures.style import COLUMN_IN, PAGE_IN, banded_curve, letter, page, plain_ticks, scheme_style

COSTS = {"downloads": "gradients sent\n(vectors)", "transfers": "gradients and iterates\nsent (vectors)"}
IMAGES = "MNIST: 60 or 80 of a selection of 5,000 images"
STRETCHED = "rate 5/s (mean 1/5 s); the printed rate 1/5 stretches time 25-fold"


def fig1_draw(data: Arrays) -> Figure:
    """Bound on the error over time, for fixed numbers of workers to wait for and for the adaptive policy."""
    figure = page(COLUMN_IN, 2.7, STRETCHED)
    ax = figure.subplots()
    for w, k in enumerate(data["n_wait"]):
        ax.semilogy(data["time_s"], data["fixed"][w], **_sparse(f"fastest_{k}", len(data["time_s"]), w))
    style = _sparse("fastest_k_adaptive", len(data["time_s"]), 0)
    ax.semilogy(data["time_s"], data["adaptive"], **style)
    for k, (time_s, error) in enumerate(zip(data["switch_s"], data["switch_error"], strict=True), 2):
        ax.plot(time_s, error, marker=".", color="black", markersize=4, zorder=5)
        if k == 2:  # the others follow closely
            ax.annotate(f"$k={k}$", (time_s, error), (4, 3), textcoords="offset points", fontsize=6.5)
    ax.set(xlabel="wall-clock time (s)", ylabel="bound on $F - F^*$ (eq. 6)")
    ax.set_xlim(0, data["time_s"][-1])
    ax.legend(ncols=2)
    return figure


def fig2_draw(data: Arrays) -> Figure:
    """The best number of workers to wait for over time: fixed (a), adaptive (b)."""
    figure = page(COLUMN_IN, 3.4, STRETCHED)
    top, bottom = figure.subplots(2, sharex=True)
    shown = int(np.flatnonzero(data["rate"] == data["rate"].max())[0])
    panels = (
        (top, "best_fixed", "fixed_switch_s", "fixed"),
        (bottom, "best_adaptive", "adaptive_switch_s", "adaptive"),
    )
    for ax, name, switches, kind in panels:
        color = scheme_style("fastest_k_adaptive")["color"] if kind == "adaptive" else "black"
        ax.step(data["time_s"], data[name], where="post", color=color)
        for k, time_s in enumerate(data[switches][shown], 2):
            left = kind == "fixed"
            ax.annotate(
                f"{np.ceil(time_s):.0f} s",
                (time_s, k - 0.5),
                (-3 if left else 3, 0),
                textcoords="offset points",
                ha="right" if left else "left",
                va="center",
                fontsize=6.5,
            )
        ax.set_yticks(range(1, 6))
        ax.set_ylim(0.7, 5.3)
        ax.set_ylabel(f"$k^*_\\mathrm{{{kind}}}(t)$ (workers)")
    letter(top, "a")
    letter(bottom, "b")
    bottom.set_xlim(0, data["time_s"][-1])
    bottom.set_xlabel("wall-clock time (s)")
    return figure


def fig3_draw(data: Arrays) -> Figure:
    """Error over time in linear regression, with 10 to 40 of 50 workers and adaptively.

    Where a curve has ended, a thin line goes on at the level at which its error stays.
    """
    figure = page(COLUMN_IN, 2.9, "dotted: where the error stays later on; numbers: the adaptive k from there on")
    ax = figure.subplots()
    end = data["time_s"][-1]
    for s, name in enumerate(data["scheme"]):
        style = scheme_style(name)
        banded_curve(ax, data["time_s"], data, "error", (s,), style | {"markevery": (2 + s, 12)})
        last = data["time_s"][np.isfinite(data["error"][s])][-1]
        if last < end:
            ax.hlines(data["level"][s].mean(), last, end, color=style["color"], linewidth=0.7, linestyles="dotted")
    adaptive = list(data["scheme"]).index("fastest_k_adaptive")
    curve = data["error"][adaptive]
    offsets = ((14, 36), (-4, -14), (-4, -14))  # away from the curves
    for k, time_s, offset in zip(data["grown"], data["switch_s"], offsets, strict=True):
        if np.isfinite(time_s):
            height = np.exp(np.interp(time_s, data["time_s"], np.log(curve)))
            color = scheme_style("fastest_k_adaptive")["color"]
            ax.annotate(
                f"{k}",
                (time_s, height),
                offset,
                textcoords="offset points",
                ha="center",
                fontsize=6,
                color=color,
                arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": color},
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
            )
    ax.set_yscale("log")
    ax.set_ylim(bottom=data["level"].mean(axis=1).min() / 8)  # room for the numbers
    ax.set_xlim(0, end)
    ax.set(xlabel="wall-clock time (s)", ylabel="error $F - F^*$")
    ax.legend()
    return figure


def fig4_draw(data: Arrays) -> Figure:
    """Communication to an error in linear regression: gradients (a), gradients and iterates (b)."""
    figure = page(PAGE_IN, 2.6)
    for ax, name, text in zip(figure.subplots(1, 2, sharex=True), COSTS, "ab", strict=True):
        _costs(ax, data, name, ())
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlabel("error $F - F^*$ reached")
        ax.set_ylabel(COSTS[name])
        letter(ax, text)
    figure.axes[0].legend()
    return figure


def fig5_draw(data: Arrays) -> Figure:
    """Log-loss over time in logistic regression on MNIST, with 2, 4, 8 of 20 workers and adaptively."""
    figure = page(PAGE_IN, 2.6, IMAGES)
    axes = figure.subplots(1, len(data["reading"]), sharey=True, squeeze=False)[0]
    for r, (ax, reading) in enumerate(zip(axes, data["reading"], strict=True)):
        for s, name in enumerate(data["scheme"]):
            style = scheme_style(name) | _under(name)
            banded_curve(ax, data["time_s"], data, "error", (r, s), style | {"markevery": (2 + 2 * s, 12)})
        ax.set_yscale("log")
        plain_ticks(ax.yaxis)
        ax.set_xlim(0, data["time_s"][-1])
        ax.set_title(reading)
        ax.set_xlabel("wall-clock time (s)")
    axes[0].set_ylabel("log-loss with ridge")
    axes[0].legend()
    return figure


def fig6_draw(data: Arrays) -> Figure:
    """Communication to a log-loss on MNIST: gradients (a), gradients and iterates (b), for each reading."""
    figure = page(PAGE_IN, 4.2, IMAGES)
    axes = figure.subplots(2, len(data["reading"]), sharex=True, sharey="row", squeeze=False)
    for row, name, text in zip(axes, COSTS, "ab", strict=True):
        for r, (ax, reading) in enumerate(zip(row, data["reading"], strict=True)):
            _costs(ax, data, name, (r,))
            ax.set_yscale("log")
            if text == "a":
                ax.set_title(reading)
        row[0].set_ylabel(COSTS[name])
        letter(row[0], text)
    for ax in axes[1]:
        ax.set_xscale("log")
        plain_ticks(ax.xaxis)
        ax.set_xlabel("log-loss with ridge reached")
    axes[0, 0].legend()
    return figure


def _costs(ax: Axes, data: Arrays, name: str, reading: tuple[int, ...]) -> None:
    """Draw the cost of every scheme over the error, which falls to the right."""
    for s, scheme in enumerate(data["scheme"]):
        style = scheme_style(scheme) | _under(scheme)
        banded_curve(ax, data["target"], data, name, (*reading, s), style | {"markevery": (2 + 2 * s, 10)})
    ax.set_xlim(data["target"][0], data["target"][-1])


def _under(name: str) -> dict[str, float]:
    """Make the adaptive scheme's line a broad one, below the others, as it can lie on theirs."""
    return {"linewidth": 3.5, "alpha": 0.5, "zorder": 1.5} if name == "fastest_k_adaptive" else {}


def _sparse(name: str, n_points: int, turn: int) -> dict[str, object]:
    """Style of a curve without a band, its markers apart from those of the other curves."""
    every = max(1, n_points // 8)
    return scheme_style(name) | {"markevery": (every * (turn + 1) // 6, every)}
