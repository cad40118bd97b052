"""Draw the figures of quantimed."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.quantities import Arrays
from figures.style import PAGE_IN, banded_curve, graded, letter, page, scheme_style

TITLES = {"clothing": "Fashion-MNIST pair, 32 x 32", "digits": "MNIST, 100 digits a worker"}
PAIR = "CIFAR-10 is replaced by T-shirts and shirts of Fashion-MNIST framed to 32 x 32"
RATIOS = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 20)


def fig2_draw(data: Arrays) -> Figure:
    """QuanTimed-DSGD and DSGD: training loss over run-time, and the speed-up in every variant."""
    return _two_tasks(data, paper=3.0, said="“up to 3×”")


def fig3_draw(data: Arrays) -> Figure:
    """QuanTimed-DSGD, Q-DSGD and DSGD: training loss over run-time, and the speed-ups in every variant."""
    return _two_tasks(data, paper=2.0, said="“2×” over Q-DSGD")


def fig4_draw(data: Arrays) -> Figure:
    """QuanTimed-DSGD and asynchronous DSGD: training loss over run-time, speed-ups, and the run-time over T_d."""
    figure = page(PAGE_IN, 6.0, f"{PAIR}.")
    (left, right), (below, beside) = figure.subplots(2, 2)
    _curves(left, data, "clothing")
    letter(left, "a")
    _deadlines(right, data)
    letter(right, "b")
    _speedups(below, data, "clothing", paper=1 / (1 - 0.3), said="“up to 30 %”")
    letter(below, "c")
    for row, deadline in enumerate(data["deadline_s"]):
        look = graded(row, len(data["deadline_s"]), f"{deadline:g} s")
        banded_curve(beside, data["deadline_clock"][row], data, "deadline_loss", (row,), look)
    beside.set(xlabel="run-time (s), $T_c = 1$ s", ylabel="training loss")
    beside.legend(title="deadline $T_d$", title_fontsize=7, ncols=2)
    letter(beside, "d")
    return figure


def _two_tasks(data: Arrays, *, paper: float, said: str) -> Figure:
    """Curves above, speed-ups below, one column for each task."""
    figure = page(PAGE_IN, 5.2, f"{PAIR}; MNIST has 5,000 digits.")
    axes = figure.subplots(2, 2)
    for column, task in enumerate(TITLES):
        _curves(axes[0, column], data, task)
        _speedups(axes[1, column], data, task, paper=paper, said=said if task == "clothing" else "")
        for row in range(2):
            letter(axes[row, column], "abcd"[2 * row + column])
    return figure


def _curves(ax: Axes, data: Arrays, task: str) -> None:
    """Draw the loss over the run-time, $T_c = 3$ s; curves beside the main variant's are thin, with hollow markers."""
    curves = [name.split(" | ") for name in data[f"{task}_curve"].tolist()]
    main = curves[0][1]
    for row, (method, variant) in enumerate(curves):
        changes: dict[str, Any] = {"markevery": 1}
        if variant != main:
            label = f"{scheme_style(method)['label']}, {variant}"
            changes |= {"label": label, "linewidth": 0.8, "markerfacecolor": "white"}
        banded_curve(
            ax, data[f"{task}_seconds"][row], data, f"{task}_loss", (row,), scheme_style(method) | changes, **changes
        )
    ax.set(xlabel="run-time (s), $T_c = 3$ s", ylabel="training loss", title=TITLES[task])
    ax.set_xlim(left=0)
    ax.legend(title=main, title_fontsize=7, loc="upper right")


def _speedups(ax: Axes, data: Arrays, task: str, *, paper: float, said: str) -> None:
    """Draw a row for each variant: filled at the lowest loss that both methods reach, hollow the largest.

    Each comparison has the colour of the first method and the marker of the second.
    """
    comparisons, variants = data["comparison"].tolist(), data[f"{task}_variant"].tolist()
    at = np.arange(len(variants), dtype=float)  # (variants,)
    for row, comparison in enumerate(comparisons):
        fast, slow = (scheme_style(each) for each in comparison.split(" over "))
        shift = 0.7 * ((row + 0.5) / len(comparisons) - 0.5)
        for which, face in (("largest", "white"), ("final", fast["color"])):
            middle = data[f"{task}_{which}"][row]  # (variants,)
            sides = [middle - data[f"{task}_{which}_low"][row], data[f"{task}_{which}_high"][row] - middle]
            look = {"fmt": slow["marker"], "color": fast["color"], "markerfacecolor": face, "linewidth": 0.8}
            label = f"{_short(fast)} over {_short(slow)}" if which == "final" else None
            ax.errorbar(middle, at + shift, xerr=np.array(sides), label=label, **look)
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    ax.set_xlim(min(low, 0.8), max(high, 1.5 * paper if said else 1.5))
    ax.axvline(1, color="#555555", linewidth=0.8)
    bottom = len(variants) - 0.1
    if said:
        ax.axvline(paper, color="#555555", linewidth=0.8, linestyle="--")
        ax.annotate(said, (paper, bottom), xytext=(3, 2), textcoords="offset points", fontsize=6.5)
    ax.set_yticks(at, [each.replace("250, ", "250,\n") for each in variants])
    ax.set_ylim(bottom, -0.6 - (0.11 * len(comparisons) + 0.05) * len(variants))  # room for the legend
    shown = [each for each in RATIOS if ax.get_xlim()[0] <= each <= ax.get_xlim()[1]]
    ax.set_xticks(shown, [f"{each:g}" for each in shown])
    ax.minorticks_off()
    ax.set_xlabel("run-time ratio to the same loss\n(filled: the lowest both reach; hollow: largest ratio)")
    ax.legend(fontsize=6.5, loc="upper right", labelspacing=0.3, frameon=True, framealpha=1, edgecolor="none")


def _deadlines(ax: Axes, data: Arrays) -> None:
    """Draw when each run reaches the common loss."""
    times, deadlines = data["deadline_time"], data["deadline_s"]  # (deadlines, R), (deadlines,)
    look = scheme_style("quantimed")
    ax.plot(deadlines, times.mean(axis=1), color=look["color"], marker=look["marker"], label="mean over runs")
    ax.plot(np.repeat(deadlines, times.shape[1]), times.ravel(), ".", color=look["color"], alpha=0.3, label="one run")
    ax.set_xscale("log")
    ax.set_xticks(deadlines, [f"{each:g}" for each in deadlines])
    ax.minorticks_off()
    ax.set_ylim(bottom=0)
    ax.set(xlabel="deadline $T_d$ (s), $T_c = 1$ s", title=TITLES["clothing"])
    ax.set_ylabel(f"run-time to loss {float(data['deadline_target']):g} (s)")
    ax.legend()


def _short(look: dict[str, Any]) -> str:
    return str(look["label"]).replace("asynchronous DSGD", "async.")
