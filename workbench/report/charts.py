"""The report's pictures: each takes numbers of the study and returns an inline SVG. Nothing is computed here
but what a picture needs, such as a histogram or the order of its rows."""

import re
from collections.abc import Callable, Mapping
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from proofs_check.experiments.experiment import Outcome
from workbench.core.types import FloatArray
from workbench.engine.compare import mean_band, typical
from workbench.moments.design_comparison import DesignComparison
from workbench.report.study import Experiment, Study, straggled
from workbench.schemes.wait_for_all import WaitForAll
from workbench.verdicts import Band

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from figures.computed import Computed

ACCENT, MUTED, WARM = "#0072B2", "#7F7F7F", "#D55E00"
BOUND_LINES: dict[str, dict[str, Any]] = {  # form of a bound -> line
    "bound as printed": {"color": "#000000"},
    "bound corrected": {"color": "#009E73", "ls": "-."},
    "bound": {"color": "#000000"},
}
ROUNDING = 1e-12  # of the loss at the start: what lies below is drawn there
ERROR_KINDS = {  # label -> marker, colour
    "aligned": ("o", ACCENT),
    "orthonormal": ("D", "#009E73"),
    "worst case": ("|", "#000000"),
}


def render(name: str, title: str, size: tuple[float, float], draw: Callable[["Figure"], None]) -> str:
    """Return the drawing as an SVG element with its own identifiers and a title for those who cannot see it.

    Parameters
    ----------
    name : prefix of the identifiers inside, so that the pictures of one page do not meet
    size : inches, a page being 7.16 wide
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from figures.style import house_style

    with house_style(), mpl.rc_context({"svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        return svg_of(figure, name, title)


def svg_of(figure: "Figure", name: str, title: str) -> str:
    """Return a finished figure as an inline SVG element."""
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    pointed_at = set(re.findall(r"#([^\s\")]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda match: match.group() if match.group(1) in pointed_at else "", svg)
    for pattern in (r'\bid="', r"url\(#", r'xlink:href="#', r'(?<!:)href="#'):
        svg = re.sub(pattern, lambda match: match.group() + name + "-", svg)
    svg = re.sub(r"<[^>]+>", lambda tag: _short(tag.group()), svg)
    svg = re.sub(r">\n\s*<", "><", svg)
    # The page sets the width; the view box keeps the proportions.
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    return re.sub(r'(<svg[^>]*?) height="[^"]*"', rf'\1 role="img" aria-label="{title}"', svg, count=1)


def _short(tag: str) -> str:
    """Write a tag's numbers to a hundredth of a point, and on one line."""
    rounded = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number.group()):.2f}", tag)
    return re.sub(r"\s+", " ", rounded)


def response_times(study: Study) -> str:
    """Share of responses later than t, one faint line a worker; and who missed the deadline, round by round."""
    from figures.style import plain_ticks

    times = study.log.response_s  # (rounds, W)
    deadline = study.profile.deadline_s or 0.0

    def draw(figure: "Figure") -> None:
        left, right = figure.subplots(1, 2, width_ratios=(3, 4))
        for worker in times.T:
            left.step(np.sort(worker), _later(worker.size), where="post", color=MUTED, lw=0.4, alpha=0.3)
        pooled = np.sort(times.ravel())
        left.step(pooled, _later(pooled.size), where="post", color=ACCENT, label="all workers")
        left.axvline(deadline, color=WARM, ls="--", lw=1, label=f"deadline {deadline:.4g} s")
        left.set(xscale="log", yscale="log", xlabel="response time t (s)", ylabel="share later than t")
        left.set_ylim(0.5 / pooled.size, 1.1)
        plain_ticks(left.xaxis)
        left.legend(loc="lower left")
        order = np.argsort(study.profile.straggle_prob)
        right.imshow(straggled(study)[:, order], aspect="auto", cmap=_two_tone(), interpolation="nearest")
        right.set(xlabel="workers, most reliable first", ylabel="round")
        right.grid(visible=False)
        right.set_title("who missed the deadline", loc="left")

    return render("times", "Response times and stragglers of the log", (7.16, 2.5), draw)


def _later(count: int) -> FloatArray:
    """Share of a sorted sample that is later than each of its values."""
    return np.asarray(1 - np.arange(1, count + 1) / count)


def _two_tone() -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap(["#EEF3F7", WARM])


def deadline(study: Study) -> str:
    """Predicted time to a given error against the deadline, and each worker's probability at the best one."""
    from figures.style import plain_ticks

    profile, evidence = study.profile, study.profile.evidence

    def draw(figure: "Figure") -> None:
        left, right = figure.subplots(1, 2)
        curve = evidence.deadline_curve if evidence else None
        if curve is not None:
            finite = np.isfinite(curve.time_to_error)
            left.plot(curve.deadline_s[finite], curve.time_to_error[finite], color=ACCENT, marker=".")
            least = curve.time_to_error[curve.best]
            left.plot(curve.best_s, least, "o", color=WARM, ms=6)
            above = {"xytext": (0, 9), "textcoords": "offset points", "ha": "center", "color": WARM}
            left.annotate(f"{curve.best_s:.4g} s", (curve.best_s, least), **above)
            left.set(xscale="log", yscale="log")
            left.set_ylim(least / 1.3, min(curve.time_to_error[finite].max(), 30 * least) * 1.2)
            plain_ticks(left.xaxis)
            plain_ticks(left.yaxis)
        left.set(xlabel="deadline (s)", ylabel="deadline × (1 + 1/U)  (s)")
        order = np.argsort(profile.straggle_prob)
        place = np.arange(order.size)
        if profile.interval is not None:
            right.vlines(place, *profile.interval[:, order], color=ACCENT, alpha=0.35, lw=max(0.8, 60 / order.size))
        right.plot(place, profile.straggle_prob[order], ".", color=ACCENT, ms=4)
        right.set(xlabel="workers, most reliable first", ylabel="straggle probability", ylim=(0, None))

    return render("deadline", "Choice of the deadline and straggle probabilities with intervals", (7.16, 2.4), draw)


def allocation(study: Study) -> str:
    """Bits and share of the data by straggle probability; the placement as a matrix."""
    code = study.design.optimal.code
    p = study.profile.straggle_prob
    mass = code.encode.sum(axis=1)  # (W,): row masses y_i

    def draw(figure: "Figure") -> None:
        left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.3))
        left.plot(p, code.bits, "o", color=ACCENT, alpha=0.6)
        left.set(xlabel="straggle probability", ylabel="bits a coordinate", ylim=(0, code.bits.max() + 1))
        left.yaxis.get_major_locator().set_params(integer=True)
        middle.plot(p, np.maximum(mass, 1e-12), "o", color=ACCENT, alpha=0.6)
        middle.set(xlabel="straggle probability", ylabel="mass on the data (parts)", yscale="log")
        right.spy(code.encode.toarray(), aspect="auto", markersize=min(3.0, 250 / code.n_workers), color=ACCENT)
        right.xaxis.set_ticks_position("bottom")
        right.set(xlabel="part", ylabel="worker")
        right.grid(visible=False)

    return render("allocation", "Bits, masses and placement of the optimal code", (7.16, 2.3), draw)


def errors(design: DesignComparison) -> str:
    """Exact errors and worst case of every code on one logarithmic axis."""
    from figures.style import scheme_style

    rows = {design.optimal.code.family: design.optimal, **design.baselines}
    rows = dict(sorted(rows.items(), key=lambda item: -item[1].moments.worst_case))

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        for height, evaluated in enumerate(rows.values()):
            m = evaluated.moments
            values = (m.aligned.mse, m.orthonormal.mse, m.worst_case)
            axes.plot([min(values), max(values)], [height, height], color="#C8D3DC", lw=2, zorder=1)
            for value, (marker, colour) in zip(values, ERROR_KINDS.values(), strict=True):
                axes.plot(value, height, marker, color=colour, ms=9 if marker == "|" else 5, mew=1.6, zorder=2)
        axes.set_yticks(range(len(rows)), [str(scheme_style(name)["label"]) for name in rows])
        axes.set(xscale="log", xlabel="mean squared error of the gradient sum, ‖g_j‖ = 1", ylim=(-0.6, len(rows) - 0.4))
        axes.grid(visible=False, axis="y")
        for label, (marker, colour) in ERROR_KINDS.items():
            axes.plot([], [], marker, color=colour, ms=9 if marker == "|" else 5, mew=1.6, label=label)
        figure.legend(loc="outside upper right", ncols=3)

    return render("errors", "Error of every code at the same budget", (7.16, 2.6), draw)


def curves(experiment: Experiment) -> str:
    """Loss against rounds, simulated seconds and bits, mean and 95 % band over the runs."""
    from figures.style import scheme_style

    methods = experiment.comparison.methods
    known = experiment.problem.regularity.optimal_loss
    least = known if known is not None else min(float(np.nanmin(m.trajectory.loss)) for m in methods)
    start = float(methods[0].trajectory.loss[:, 0].mean()) - least

    def draw(figure: "Figure") -> None:
        panels = figure.subplots(1, 3, sharey=True)
        for method in methods:
            trajectory = method.trajectory
            excess = np.maximum(trajectory.loss - least, start * ROUNDING)  # (R, T+1)
            mean, low, high = mean_band(excess, scale="log")
            style = scheme_style(method.name)
            for axes, across in zip(panels, _across(trajectory), strict=True):
                shown = slice(1 if axes is panels[2] else 0, None)  # a logarithmic axis has no place for 0 bits
                axes.plot(across[shown], mean[shown], **style, markevery=max(1, mean.size // 6))
                axes.fill_between(across[shown], low[shown], high[shown], color=style["color"], alpha=0.15, lw=0)
        for axes, name in zip(panels, ("round", "simulated seconds", "bits that reached the master"), strict=True):
            axes.set(xlabel=name, yscale="log")
        panels[0].set_ylabel("loss above the optimum" if known is not None else "loss above the least seen")
        panels[0].set_ylim(_floor(experiment, least), 3 * start)
        panels[2].set_xscale("log")
        panels[2].set_xlim(left=_first_bits(experiment))
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)

    return render(experiment.training.problem, f"Training curves on {experiment.training.problem}", (7.16, 3.0), draw)


def _across(trajectory: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Horizontal coordinates of the three panels: rounds, median seconds, median bits."""
    return trajectory.iterations, typical(trajectory.seconds), typical(trajectory.bits_up)


def _floor(experiment: Experiment, least: float) -> float:
    """Half the least excess of a coded method: the reference may leave the picture downwards, to rounding error."""
    coded = [each for each in experiment.comparison.methods if each.name != WaitForAll.name]
    return min(float(np.nanmin(mean_band(each.trajectory.loss - least)[0])) for each in coded) / 2


def _first_bits(experiment: Experiment) -> float:
    """Fewest bits of any method after its first checkpoint: where a logarithmic axis can begin."""
    return min(float(typical(m.trajectory.bits_up)[1]) for m in experiment.comparison.methods)


def theorem(check: Outcome, name: str, bounds: Mapping[str, FloatArray] | None = None) -> str:
    """Draw a theorem's bound, the recursion behind it and the simulated mean with its simultaneous band.

    Parameters
    ----------
    bounds : the bound's forms by the names in BOUND_LINES, each (K,); without: the check's own, as printed
    """
    from figures.style import plain_ticks

    def draw(figure: "Figure") -> None:
        axes: Axes = figure.subplots()
        at, band, sharper = check.iterations + 1, check.band, check.comparison.recursion
        forms = {"bound as printed": check.bound} if bounds is None else bounds
        for label, value in forms.items():
            axes.plot(at, _positive(value), label=label, **BOUND_LINES[label])
        if sharper is not None:
            axes.plot(at, _positive(sharper.value), color=WARM, ls="--", label="recursion behind it")
        axes.plot(at, _positive(band.mean), color=ACCENT, label="simulated mean")
        axes.fill_between(at, np.maximum(band.low, 1e-300), band.high, color=ACCENT, alpha=0.25, lw=0)
        if bounds is not None:
            axes.axhline(_known(check), color=MUTED, ls=":", lw=1, label="known without it")
        axes.set(xscale="log", yscale="log", xlabel="rounds", ylabel=check.comparison.bound.quantity)
        plain_ticks(axes.xaxis)
        axes.minorticks_off()  # they would be most of the drawing's time
        axes.set_ylim(*_range(band, *forms.values(), *([] if bounds is None else [np.array([_known(check)])])))
        if bounds is None:
            axes.legend(loc="best")
        else:
            figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)

    claim = check.verdict.claim
    where = "" if claim.equation is None else f", eq. {claim.equation}"
    size = (3.5, 2.4) if bounds is None else (2.9, 2.6)
    return render(name, f"{claim.name}{where}, against simulation", size, draw)


def _positive(values: FloatArray) -> FloatArray:
    """Leave out what a logarithmic axis has no place for."""
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def _range(band: Band, *lines: FloatArray) -> tuple[float, float]:
    """Return the ends of a logarithmic axis that shows the band whole, and no line below it."""
    shown = np.concatenate([_positive(band.low), _positive(band.mean)])
    highest = np.concatenate([_positive(each) for each in (band.high, *lines)])
    return float(np.nanmin(shown)) / 3, float(np.nanmax(highest)) * 2


def _known(check: Outcome) -> float:
    """What the assumptions alone say of the bounded quantity."""
    found = check.comparison
    return found.start if found.known is None else found.known


def paper_figure(computed: "Computed") -> str:
    """Draw a paper's figure from its numbers."""
    from figures.render import drawn
    from figures.style import house_style

    figure = drawn(computed.entry, computed.data)
    with house_style():
        return svg_of(figure, computed.entry.stem, computed.entry.title)
