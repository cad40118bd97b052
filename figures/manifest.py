"""Find the figures and render them, with the numbers they show and how to make them again."""

import csv
import importlib
import pkgutil
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import msgspec
import numpy as np
import scipy
from matplotlib.figure import Figure

import figures
from figures.style import house_style
from workbench import __version__
from workbench.core.atomic import write_atomically

IMAGES = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}  # undated: the same twice


@dataclass(frozen=True)
class Entry:
    """One figure: figN_data (pure), figN_draw (computes nothing) and figN_table (what is drawn, as columns)."""

    key: str
    title: str
    data: Callable[..., dict[str, Any]]
    draw: Callable[[dict[str, Any]], Figure]
    table: Callable[[dict[str, Any]], dict[str, list[Any]]]


def available() -> dict[str, Entry]:
    """Return every figure by its key, for instance hetero_gc/fig1."""
    found = {}
    for info in pkgutil.iter_modules(figures.__path__):
        if info.name in ("style", "manifest"):
            continue
        module = importlib.import_module(f"figures.{info.name}")
        for name in sorted(filter(re.compile(r"fig\d+_data").fullmatch, dir(module))):
            stem = name.removesuffix("_data")
            data, draw, table = (getattr(module, f"{stem}_{part}") for part in ("data", "draw", "table"))
            title = (data.__doc__ or stem).splitlines()[0]
            found[f"{info.name}/{stem}"] = Entry(f"{info.name}/{stem}", title, data, draw, table)
    return found


def render(entry: Entry, folder: Path, **parameters: Any) -> dict[str, Any]:
    """Write SVG, PDF, PNG, CSV and a manifest JSON of one figure into `folder`; return the manifest.

    parameters : for figN_data, for instance seed; its own defaults otherwise
    """
    data = entry.data(**parameters)
    figure, columns = entry.draw(data), entry.table(data)
    stem = entry.key.replace("/", "_")
    contents = {f"{stem}.{kind}": _image(figure, kind) for kind in IMAGES}
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    contents[f"{stem}.csv"] = text.getvalue().encode()
    manifest = {
        "figure": entry.key,
        "title": entry.title,
        "parameters": data["parameters"],
        "summary": data.get("summary", {}),
        "files": list(contents),
        "versions": {
            "workbench": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "matplotlib": mpl.__version__,
        },
    }
    contents[f"{stem}.json"] = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    for name, content in contents.items():
        write_atomically(folder / name, content)
    return manifest


def _image(figure: Figure, kind: str) -> bytes:
    buffer = BytesIO()
    with house_style():
        figure.savefig(buffer, format=kind, metadata=IMAGES[kind])
    return buffer.getvalue()
