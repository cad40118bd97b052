"""Draw the figures of hetero_gc."""

from matplotlib.figure import Figure

from figures.quantities import Arrays
from figures.style import PAGE_IN, banded_curve, scheme_style


def fig1_draw(data: Arrays) -> Figure:
    """Bit allocations over the bit budget: their objective, and what they lose to the optimum.

    The objective is above, the loss below, one column for each number of workers.
    """
    figure = Figure(figsize=(PAGE_IN, 3.9), layout="constrained")
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
    handles, labels = axes[0, 0].get_legend_handles_labels()
    title = f"mean and 10–90 % band over {data['n_profiles']} profiles"
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), title=title, title_fontsize=7)
    return figure
