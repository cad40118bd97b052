"""Draw a figure's numbers, and write them and the drawings to files."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import msgspec

from figures.catalogue import Entry
from figures.computed import Computed
from figures.quantities import Data, arrays, to_csv
from figures.style import house_style, plain_powers
from workbench.core.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PRINTED_DPI = 300


def drawn(entry: Entry, data: Data) -> "Figure":
    """Draw a figure in the house's style."""
    with house_style():
        figure = entry.draw(arrays(data))
        plain_powers(figure)
        return figure


def render(computed: Computed, folder: Path) -> list[Path]:
    """Write SVG, PDF, PNG, CSV and a manifest JSON of one figure beside its NetCDF, and name all these files."""
    entry = computed.entry
    numbers = folder / f"{entry.stem}.nc"
    contents = {f"{entry.stem}.{kind}": image for kind, image in _images(drawn(entry, computed.data)).items()}
    contents |= {f"{entry.stem}{part}.csv": table for part, table in to_csv(computed.data).items()}
    manifest = {
        "figure": entry.key,
        "title": entry.title,
        **computed.notes,
        "data_sha256": sha256(numbers.read_bytes()).hexdigest(),
        "files": [numbers.name, *contents],
        "drawn_with": {"matplotlib": mpl.__version__},
    }
    contents[f"{entry.stem}.json"] = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    for name, content in contents.items():
        write_atomically(folder / name, content)
    return [numbers, *(folder / name for name in contents)]


def _images(figure: "Figure") -> dict[str, bytes]:
    """Draw once for each kind of file; `savefig` would draw, and lay out, twice for each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    svg, pdf, png = BytesIO(), BytesIO(), BytesIO()
    with house_style():
        if engine := figure.get_layout_engine():
            engine.execute(figure)
        figure.set_layout_engine("none")  # it is laid out, and stays so
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None})  # undated: the same twice
        FigureCanvasPdf(figure).print_pdf(pdf, metadata={"CreationDate": None})
        figure.set_dpi(PRINTED_DPI)
        FigureCanvasAgg(figure).print_png(png)
    return {"svg": svg.getvalue(), "pdf": pdf.getvalue(), "png": png.getvalue()}
