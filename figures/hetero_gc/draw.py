"""Draw the figures of hetero_gc."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.quantities import Array, Arrays
from figures.style import PAGE_IN, banded_curve, legend_above, letter, page, plain_ticks, scheme_style

CLOTHES = "Fashion-MNIST, one hidden layer of 6 units; not COCO, MobileNetV3"


def fig1_draw(data: Arrays) -> Figure:
    """Bit allocations over the bit budget: their objective, and what they lose to the optimum.

    The objective is above, the loss below, one column for each number of workers.
    """
    figure = page(PAGE_IN, 3.9)
    axes = figure.subplots(2, len(data["n_workers"]), sharex="col", sharey="row", squeeze=False)
    for s, n_workers in enumerate(data["n_workers"]):
        top, bottom = axes[:, s]
        budget = n_workers * data["bits_per_worker"]  # (budgets,)
        for m, method in enumerate(data["method"]):
            style = scheme_style(method)
            if method == "exact":
                style |= {"linewidth": 4, "alpha": 0.4, "marker": None}  # others lie on it
            banded_curve(top, budget, data, "objective", (s, m), style)
            if method != "exact":
                banded_curve(bottom, budget, data, "loss_percent", (s, m), style)
        top.set_title(f"{n_workers} workers")
        bottom.set_yscale("symlog", linthresh=0.01, linscale=0.5)
        bottom.set_ylim(-0.001, 150)
        bottom.set_yticks([0, 0.01, 0.1, 1, 10, 100], ["0", "0.01", "0.1", "1", "10", "100"])
        bottom.minorticks_off()
        bottom.set_xlabel("bit budget $B$ (bits a coordinate, all workers)")
    axes[0, 0].set_ylabel("objective $\\Sigma_i u_i / W$")
    axes[1, 0].set_ylabel("loss to the optimum (%)")
    title = f"mean and 10–90 % band over {data['n_profiles']} profiles"
    legend_above(figure, axes[0, 0], title=title, title_fontsize=7)
    return figure


def fig2_draw(data: Arrays) -> Figure:
    """Convergence of every gradient code at equal bits: SGD at two budgets, and Adam, for two numbers of workers."""
    figure = page(PAGE_IN, 4.4, CLOTHES)
    axes = figure.subplots(2, 3, sharex=True)
    for at, (ax, panel) in enumerate(zip(axes.flat, data["panel"], strict=True)):
        _losses(ax, data, panel, data["method"])
        letter(ax, panel)
        how = "Adam" if panel in ("c", "f") else "SGD"
        ax.set_title(f"{how}, {data['workers'][at]} workers, $B$ = {data['budget'][at]}", loc="right")
    _finish(figure, axes, axes[0, 0])
    return figure


def fig3_draw(data: Arrays) -> Figure:
    """The optimal code with fewer bits, larger models, unequal workers, error feedback, and over the bits sent."""
    figure = page(PAGE_IN, 4.9, "Fashion-MNIST (c: MNIST), one hidden layer or softmax; not COCO, ResNet-50, GPT-2")
    axes = figure.subplots(2, 3)
    titles = {
        "a": "fewer bits, softmax",
        "b": "5 times the weights",
        "c": "softmax, MNIST",
        "d": "faster, more unequal",
        "e": "error feedback",
    }
    for ax, (panel, title) in zip(axes.flat, titles.items(), strict=False):
        row = data["panel"].tolist().index(panel)
        present = [m for m, method in enumerate(data["method"]) if np.isfinite(data["loss"][row, m, 0])]
        _losses(ax, data, panel, data["method"][present])
        letter(ax, panel)
        ax.set_title(title, loc="right")
        if panel in ("a", "e"):
            opaque = {"frameon": True, "framealpha": 0.85, "edgecolor": "none"}
            ax.legend(fontsize=5.5, loc="upper right", handlelength=3.5, labelspacing=0.3, **opaque)
    last = axes.flat[5]
    for m, method in enumerate(data["sgd_method"]):
        banded_curve(last, data["megabits"], data, "loss_by_bits", (m,), scheme_style(method))
    last.set_xlabel("bits sent by workers (Mbit)")
    letter(last, "f")
    last.set_title("loss over bits", loc="right")
    _finish(figure, axes, axes[0, 1])
    return figure


def _losses(ax: Axes, data: Arrays, panel: str, methods: Array) -> None:
    """Draw the loss of some methods over rounds."""
    rows, columns = data["panel"].tolist(), data["method"].tolist()
    for method in methods:
        style = _style(method)
        banded_curve(ax, data["round"], data, "loss", (rows.index(panel), columns.index(method)), style)
    starts = data["loss"][rows.index(panel), :, 0]  # (methods,)
    top = starts[np.isfinite(starts)].max()
    ax.set_yscale("log")
    ax.set_ylim(top=1.3 * top)
    plain_ticks(ax.yaxis)
    ax.set_xlabel("round")


def _style(method: str) -> dict[str, Any]:
    """Style of a method: of its code's family, with what differs in the label, the line and the marker."""
    for end, told, line, filled in (
        ("_error_feedback", "error feedback", "-", "full"),
        ("_4_bits", "4 bits", "-", "full"),
        ("_2_bits", "2 bits", "--", "none"),
        ("_32_bits", "32 bits", ":", "left"),
    ):
        if method.endswith(end):
            style = scheme_style(method.removesuffix(end))
            return style | {"label": f"{style['label']}, {told}", "linestyle": line, "fillstyle": filled}
    return scheme_style(method)


def _finish(figure: Figure, axes: Any, legend_of: Axes) -> None:
    """Name the common axis, and put the methods of one panel above all of them."""
    for ax in axes[:, 0]:
        ax.set_ylabel("training loss (cross-entropy)")
    legend_above(figure, legend_of, ncols=4)


def fig4_draw(data: Arrays) -> Figure:
    """What the trained networks make of a sample image, and of many: how often they are right."""
    figure = page(PAGE_IN, 2.4, CLOTHES)
    picture, one, many = figure.subplots(1, 3, width_ratios=(1, 2, 2))
    picture.imshow(data["image"], cmap="gray_r")
    picture.set_axis_off()
    picture.set_title(f"sample: {data['label']}")
    place = np.arange(len(data["method"]))[::-1]  # (methods,)
    for ax, name, title in ((one, "named", "right about this image"), (many, "accuracy", "right about many images")):
        for at, method, mean, low, high in zip(
            place, data["method"], data[name], data[f"{name}_low"], data[f"{name}_high"], strict=True
        ):
            style = scheme_style(method)
            ax.errorbar(mean, at, xerr=[[mean - low], [high - mean]], color=style["color"], marker=style["marker"])
            ax.annotate(f"{mean:.2f}", (mean, at), (0, 4), textcoords="offset points", ha="center", fontsize=6)
        ax.set_yticks(place, [scheme_style(method)["label"] for method in data["method"]] if ax is one else [])
        ax.set_xlabel("share of runs" if ax is one else "share of images")
        ax.set_title(title)
        ax.set_xlim(-0.05, 1.05)
    return figure
