"""Draw the figures of compskip."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.quantities import Array, Arrays
from figures.style import PAGE_IN, banded_curve, graded, legend_above, letter, page, scheme_style

OTHERS = {
    "without skips": "compskip_without_skips",
    "dropSignSGD": "drop_sign_sgd",
    "repaired": "compskip_repaired",
}
SAME, OWN = 0, 1  # the variants
ENDS = (  # a variant's label, line, and face of its markers
    (SAME, "CompSkipDSGD, one step size for all", "-", scheme_style("compskip")["color"]),
    (OWN, "CompSkipDSGD, each its pilots' best", "--", "white"),
)


def fig2_draw(data: Arrays) -> Figure:
    """CompSkipDSGD with different c: testing accuracy over epochs, over the step size, and beyond the paper's c."""
    figure = _page(5.1, data)
    (left, middle), (right, last) = figure.subplots(2, 2)
    names = [f"$c = {value:g}$" for value in data["c"]]
    for ax, variant, title in ((left, SAME, "one step size for all"), (middle, OWN, "each its pilots' best step size")):
        for row, name in enumerate(names):
            banded_curve(ax, data["epoch"], data, "accuracy", (variant, row), graded(row, len(names), name))
        ax.set(xlabel="epoch", title=title)
        _from_where_it_matters(ax, data["accuracy"][variant])
    for row, name in enumerate(names):
        look = graded(row, len(names), name)
        low, high = data["pilot_low"][row], data["pilot_high"][row]  # (steps,) each
        right.plot(data["first_step"], data["pilot"][row], **look)
        right.fill_between(data["first_step"], low, high, color=look["color"], alpha=0.12, linewidth=0)
    right.set_xscale("log")
    right.set_xticks(data["first_step"], [f"{step:g}" for step in data["first_step"]])
    right.minorticks_off()
    right.set(xlabel="first step size $\\eta_1$", ylabel="testing accuracy at the end (%)", title="pilot runs")
    for ax in (left, middle):
        ax.set_ylabel("testing accuracy (%)")
    left.legend(loc="lower right")
    for variant, label, line, face in ENDS:
        mean, low, high = (
            np.concatenate([data[f"{name}{part}"][variant] for name in ("end", "beyond_end")])
            for part in ("", "_low", "_high")
        )  # (all c,) each
        style = scheme_style("compskip") | {"linestyle": line, "markerfacecolor": face, "label": label}
        _with_bars(last, np.concatenate([data["c"], data["beyond_c"]]), mean, low, high, style)
    last.axvspan(data["c"][0] / 1.2, data["c"][-1] * 1.2, color="#000000", alpha=0.06, linewidth=0)
    last.text(data["c"][0], 0.94, "the paper's", transform=last.get_xaxis_transform(), fontsize=6.5)
    every = [*data["c"], *data["beyond_c"]]
    last.set_xscale("log")
    last.set_xticks(every, [f"{value:g}" for value in every])
    last.minorticks_off()
    last.set(xlabel="$c = \\tilde c$", ylabel="testing accuracy at the end (%)")
    figure.legend(*last.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    for ax, name in zip((left, middle, right, last), "abcd", strict=True):
        letter(ax, name)
    return figure


def fig3_draw(data: Arrays) -> Figure:
    """CompSkipDSGD with different skip probabilities: testing accuracy over epochs, and where it ends."""
    figure = _page(5.2, data)
    axes = figure.subplots(2, 2)
    for column, (who, symbol, fixed) in enumerate(
        (("server", "\\tilde q", "workers skip with 0.3"), ("worker", "q", "server skips with 0.1"))
    ):
        top, bottom = axes[:, column]
        skips = data[f"{who}_skip"]
        for row, prob in enumerate(skips):
            look = graded(row, len(skips), f"${symbol} = {prob:g}$")
            banded_curve(top, data["epoch"], data, f"by_{who}", (row,), look)
        other = data["other"].tolist().index("without skips")
        look = scheme_style(OTHERS["without skips"]) | {"marker": None}
        banded_curve(top, data["epoch"], data, "by_other", (other,), look)
        _from_where_it_matters(top, np.concatenate([data[f"by_{who}"], data["by_other"][[other]]]))
        top.set(xlabel="epoch", ylabel="testing accuracy (%)", title=fixed)
        top.legend(loc="lower right", ncols=2)
        _ends(bottom, data, who, skips)
        bottom.set(
            xlabel=f"skip probability of the {'server' if who == 'server' else 'workers'} ${symbol}$",
            ylabel="testing accuracy at the end (%)",
        )
        for row in range(2):
            letter(axes[row, column], "abcd"[2 * row + column])
    low = min(ax.get_ylim()[0] for ax in axes[1])
    high = max(ax.get_ylim()[1] for ax in axes[1])
    for ax in axes[1]:
        ax.set_ylim(low, high)
    legend_above(figure, axes[1, 0], ncols=3)
    return figure


def _ends(ax: Axes, data: Arrays, who: str, skips: Array) -> None:
    """Draw where the runs end over the skip probability, and the others as levels, each at its pilots' best step."""
    for variant, label, line, face in ENDS:
        mean, low, high = (data[f"{who}_end{part}"][variant] for part in ("", "_low", "_high"))  # (skips,) each
        style = scheme_style("compskip") | {"linestyle": line, "markerfacecolor": face, "label": label}
        _with_bars(ax, skips, mean, low, high, style)
    for row, name in enumerate(data["other"].tolist()):
        style = scheme_style(OTHERS[name])
        level, low, high = (data[f"other_end{part}"][OWN, row] for part in ("", "_low", "_high"))
        ax.axhline(level, color=style["color"], linestyle=style["linestyle"], label=style["label"])
        ax.axhspan(low, high, color=style["color"], alpha=0.12, linewidth=0)
    ax.set_xticks(skips, [f"{prob:g}" for prob in skips])


def table2_draw(data: Arrays) -> Figure:
    """Saved communication at the paper's size beside the testing accuracy on the substitute."""
    figure = _page(2.15, data)
    ax = figure.subplots()
    ax.set_axis_off()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    accounts = [name.replace(" and ", " / ") for name in data["account"]]
    heads = ["skip prob.\n$(q, \\tilde q)$", "messages (%)\nup / down", *accounts]
    heads += ["paper:\nsaved, accuracy", "one step\nfor all (%)", "each its pilots'\nbest (%)"]
    places = (0.05, 0.16, 0.29, 0.41, 0.53, 0.67, 0.82, 0.95)
    lines = len(data["server_skip"]) + 1
    height = 0.72 / lines
    for place, head in zip(places, heads, strict=True):
        ax.text(place, 0.80, head, ha="center", va="bottom", fontsize=7)
    ax.text(
        0.41,
        0.97,
        "saved at full size (GB), $\\tilde\\beta$ here / in [27]",
        ha="center",
        va="center",
        fontsize=7,
        weight="bold",
    )
    ax.text(0.885, 0.97, "testing accuracy, substitute", ha="center", va="center", fontsize=7, weight="bold")
    ax.hlines([0.78, 0.78 - lines * height - 0.02], 0, 1, color="black", linewidth=0.7)
    for row, prob in enumerate(data["server_skip"]):
        cells = [f"(0.3, {prob:g})", f"{100 * data['sent_up'][row]:.1f} / {100 * data['sent_down'][row]:.1f}"]
        cells += [f"{saved:.0f}".replace("-", "−") for saved in data["saved_gb"][:, row]]
        cells.append(f"{data['printed_gb'][row]:.0f} GB, {data['printed_accuracy'][row]:.2f} %")
        cells += [_with_half_width(data, "end", variant, row) for variant in (SAME, OWN)]
        _line(ax, places, 0.78 - (row + 0.6) * height, cells)
    cells = ["[27]", "100 / 100", "0", "0", "0", f"{data['printed_drop_accuracy']:.2f} %"]
    cells += [_with_half_width(data, "drop_end", variant, 0) for variant in (SAME, OWN)]
    _line(ax, places, 0.78 - (lines - 0.4) * height, cells)
    return figure


def _line(ax: Axes, places: tuple[float, ...], height: float, cells: list[str]) -> None:
    for place, cell in zip(places, cells, strict=True):
        ax.text(place, height, cell, ha="center", va="center", fontsize=7)


def _with_half_width(data: Arrays, name: str, variant: int, row: int) -> str:
    mean, high = data[name][variant, row], data[f"{name}_high"][variant, row]
    return f"{mean:.2f} ± {high - mean:.2f}"


def _with_bars(ax: Axes, x: Array, mean: Array, low: Array, high: Array, style: dict[str, Any]) -> None:
    """Draw a line through means (points,), with a bar from low to high at each."""
    ax.plot(x, mean, **style)
    ax.vlines(x, low, high, color=style["color"], linewidth=1)


def _from_where_it_matters(ax: Axes, curves: Array) -> None:
    """Leave the steep beginning out, so that the ends of the curves (rows, points) are told apart."""
    highest, lowest = float(np.nanmax(curves)), float(np.nanmin(curves[:, -1]))
    ax.set_ylim(lowest - 0.5 * (highest - lowest) - 12, highest + 1.5)
    ax.set_xlim(left=0)


def _page(height: float, data: Arrays) -> Figure:
    """Return a page's figure that says what stands for ImageNet and ResNet-50."""
    images, runs = data["n_samples"], data["n_runs"]
    network = f"ImageNet and ResNet-50 replaced by Fashion-MNIST ({images:,} images) and one hidden layer"
    return page(PAGE_IN, height, f"{network}. Mean and 95 % band of {runs} runs.")
