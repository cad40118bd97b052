"""One look for every figure: sizes, fonts, and the same line for the same scheme everywhere."""

from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, LogLocator, NullFormatter

from figures.quantities import Array, Arrays

COLUMN_IN, PAGE_IN = 3.5, 7.16  # widths of one and of two columns of an IEEE page

# Okabe and Ito's palette, told apart by the colour-blind, its yellow darkened to be seen on white; line and marker
# tell the curves apart in grey.
_BLACK, _ORANGE, _SKY, _GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
_BROWN, _BLUE, _VERMILION, _PURPLE, _GREY = "#8C6D1F", "#0072B2", "#D55E00", "#CC79A7", "#7F7F7F"
_DASH, _DOT, _DASH_DOT, _LONG, _SPARSE = "--", ":", "-.", (0, (7, 2)), (0, (2, 2.5))

_STYLES: dict[str, tuple[str, str, Any, str]] = {  # name -> label, colour, line, marker
    "optimally_structured": ("optimal structure and bits", _BLUE, "-", "o"),
    "osgc": ("OSGC", _SKY, _DASH, "v"),
    "ignore_stragglers": ("ignore stragglers", _GREY, _SPARSE, "x"),
    "bernoulli": ("Bernoulli", _ORANGE, _DOT, "s"),
    "stochastic": ("stochastic (SGC)", _GREEN, _DASH_DOT, "^"),
    "erasure_head": ("ErasureHead", _VERMILION, _LONG, "D"),
    "optimal_decoding": ("optimal decoding", _PURPLE, _DASH, "P"),
    "tandon_fractional": ("exact, fractional repetition", _VERMILION, _DOT, "<"),
    "tandon_cyclic": ("exact, cyclic", _GREEN, _LONG, ">"),
    "cyclic_mds": ("exact, cyclic MDS", _PURPLE, "-", "h"),
    "expander": ("expander", _ORANGE, _DASH_DOT, "p"),
    "one_bit": ("1-bit", _BROWN, _DASH_DOT, "*"),
    "wait_for_all": ("wait for all", _BLACK, _SPARSE, "+"),
    "exact": ("exact", _BLUE, "-", "o"),
    "algorithm_1": ("Algorithm 1", _ORANGE, _DASH, "x"),
    "greedy": ("greedy", _VERMILION, _LONG, "D"),
    "relaxation": ("relaxation, rounded", _GREEN, _DASH_DOT, "^"),
    "equal": ("equal bits", _GREY, _DOT, "s"),
    "quantimed": ("QuanTimed-DSGD", _BLUE, "-", "o"),
    "q_dsgd": ("Q-DSGD", _ORANGE, _DASH, "s"),
    "dsgd": ("DSGD", _BLACK, _DASH_DOT, "^"),
    "asynchronous_dsgd": ("asynchronous DSGD, overlapped", _GREEN, _LONG, "D"),
    "asynchronous_dsgd_blocking": ("asynchronous DSGD, blocking", _VERMILION, _DOT, "v"),
    "fastest_k_adaptive": ("adaptive $k$", _BLUE, "-", "o"),
    "fastest_1": ("$k=1$", _ORANGE, _DASH, "s"),
    "fastest_2": ("$k=2$", _PURPLE, _LONG, "v"),
    "fastest_3": ("$k=3$", _GREEN, _DASH_DOT, "^"),
    "fastest_4": ("$k=4$", _VERMILION, _DOT, "D"),
    "fastest_5": ("$k=5$", _BLACK, _SPARSE, "x"),
    "fastest_8": ("$k=8$", _BROWN, _DASH_DOT, "P"),
    "fastest_10": ("$k=10$", _ORANGE, _DASH, "s"),
    "fastest_20": ("$k=20$", _GREEN, _DASH_DOT, "^"),
    "fastest_30": ("$k=30$", _VERMILION, _DOT, "D"),
    "fastest_40": ("$k=40$", _BLACK, _LONG, "x"),
    "one_bit_ignoring": ("1-bit, ignore stragglers", _VERMILION, _LONG, "D"),
    "compskip": ("CompSkipDSGD", _BLUE, "-", "o"),
    "compskip_without_skips": ("without skips", _BLACK, _SPARSE, "+"),
    "compskip_repaired": ("repaired", _GREEN, _DASH_DOT, "^"),
    "drop_sign_sgd": ("dropSignSGD", _VERMILION, _LONG, "D"),
}

_RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "axes.titley": 1.0,  # where it is anyway; to look for room above all ticks takes a tenth of the drawing
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "figure.dpi": 110,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "figures",  # the same drawing gives the same file
    "pdf.fonttype": 42,  # fonts embedded
}


def house_style() -> AbstractContextManager[None]:
    """Return the context in which every figure is made and saved."""
    return mpl.rc_context(_RC)


def scheme_style(name: str) -> dict[str, Any]:
    """Return label, colour, line style and marker of a scheme or an allocation method, for `Axes.plot`.

    A scheme without a style of its own is drawn in grey under its own name.
    """
    label, colour, line, marker = _STYLES.get(name, (name.replace("_", " "), _GREY, _SPARSE, "."))
    return {"label": label, "color": colour, "linestyle": line, "marker": marker}


def banded_curve(
    ax: Axes, x: Array, data: Arrays, name: str, at: tuple[int, ...], style: dict[str, Any], **changes: Any
) -> None:
    """Draw one curve of `name` over x, with its band name_low to name_high.

    Parameters
    ----------
    at : which of the curves: index of all axes but the last
    style : of `scheme_style`; a marker stands at about eight places
    changes : to the style, for instance a label of its own
    """
    curve = data[name][at]  # (points,)
    look = style | {"markevery": max(1, len(curve) // 8)} | changes
    ax.plot(x, curve, **look)
    low, high = data[f"{name}_low"][at], data[f"{name}_high"][at]  # (points,) each
    seen = np.isfinite(low) & np.isfinite(high)
    ax.fill_between(x, low, high, where=seen, color=look["color"], alpha=0.15, linewidth=0)


def letter(ax: Axes, text: str) -> None:
    """Name a panel, for instance "a", at its upper left."""
    ax.set_title(f"({text})", loc="left", fontsize=8)


def page(width: float, height: float, told: str = "") -> Figure:
    """Return an empty figure, width and height in inches.

    Parameters
    ----------
    told : at its foot, what it shows in place of what the paper shows, for instance other data
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    if told:
        figure.supxlabel(told, x=0.995, ha="right", fontsize=5.5, color="#555555")
    return figure


def graded(row: int, n_rows: int, label: str) -> dict[str, Any]:
    """Return the look of one of several values of a parameter: from dark to light, so that grey shows the order."""
    share = row / max(n_rows - 1, 1)
    lines, markers = ("-", _LONG, _DASH, _DASH_DOT, _DOT), ("o", "s", "^", "D", "v", "P", "X")
    return {
        "label": label,
        "color": mpl.colors.to_hex(mpl.colormaps["cividis"](0.85 * share)),
        "linestyle": lines[row % len(lines)],
        "marker": markers[row % len(markers)],
    }


def legend_above(figure: Figure, ax: Axes, **options: Any) -> None:
    """Put the legend of one panel above all of them; options as of `Figure.legend`."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", **{"ncols": len(labels)} | options)


class _PowersOfTen(LogFormatterSciNotation):
    """The default labels of a logarithmic axis, 10⁻³ or 2×10⁻³, in plain text, which needs no formula to be parsed."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        factor, _, power = super().__call__(x, pos).strip("$").removeprefix("\\mathdefault{").partition("10^{")
        return factor.replace("\\times", "×") + (f"10{power.rstrip('}').translate(_SUPERSCRIPT)}" if power else "")


_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def plain_powers(figure: Figure) -> None:
    """Label logarithmic axes that have matplotlib's formulas with plain text."""
    for axis in [each for ax in figure.axes for each in (ax.xaxis, ax.yaxis)]:
        if type(axis.get_major_formatter()) is LogFormatterSciNotation:
            axis.set_major_formatter(_PowersOfTen())
        if type(axis.get_minor_formatter()) is LogFormatterSciNotation:
            axis.set_minor_formatter(_PowersOfTen())


def plain_ticks(axis: Axis) -> None:
    """Label a short logarithmic axis with plain numbers between the powers of ten too, a long one at these alone."""
    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low)
    subs = (1, 1.5, 2, 3, 5, 7) if decades < 0.7 else (1, 2, 5) if decades < 2 else (1,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
