"""The templates of the pages, and the filters that they share."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import jinja2


def environment() -> "jinja2.Environment":
    """Return where the report's templates are found, and the filters that they share."""
    import jinja2

    from figures.style import scheme_style
    from workbench.report.mathtext import readable

    found = jinja2.Environment(
        loader=jinja2.PackageLoader("workbench", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["num"] = number
    found.filters["maths"] = readable
    found.filters["label"] = lambda family: scheme_style(family)["label"]
    return found


def number(value: float | None, digits: int = 4) -> str:
    """Write a number with `digits` significant digits, powers of ten as such."""
    if value is None or not np.isfinite(value):
        return "—"
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:,.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{float(mantissa):g}·10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
