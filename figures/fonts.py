"""Copies of DejaVu Sans reduced to what figures write: a PDF embeds a part of them five times as fast."""

from functools import cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from matplotlib import font_manager

from workbench.core.atomic import write_atomically
from workbench.core.errors import InputError
from workbench.datasets.cache import cache_dir

FACES = ("DejaVuSans", "DejaVuSans-Oblique")
LETTERS = (*range(0x20, 0x250), *range(0x370, 0x400))  # Latin and Greek
SIGNS = (*range(0x2000, 0x2300), *range(0x25A0, 0x2600))  # punctuation, powers, arrows, mathematics, shapes
UNUSED = ("FFTM", "GDEF", "GPOS", "GSUB", "MATH")  # tables; kerning has an older one besides, which stays


@cache
def prefer_reduced_fonts() -> None:
    """Let matplotlib find the copies before the whole fonts; they are made once and kept in the user's cache.

    Where they cannot be kept, the whole fonts serve as well, only slower.
    """
    try:
        copies = [_kept(Path(mpl.get_data_path(), "fonts", "ttf", f"{face}.ttf").read_bytes()) for face in FACES]
    except (OSError, InputError):
        return
    manager = font_manager.fontManager
    for copy in copies:
        manager.addfont(copy)
        manager.ttflist.insert(0, manager.ttflist.pop())  # of two fonts of a name the first is taken


def _kept(whole: bytes) -> Path:
    """Return where the copy of a font is, made now if it is not there."""
    made_from = whole + Path(__file__).read_bytes()
    path = cache_dir() / "fonts" / f"{sha256(made_from).hexdigest()[:16]}.ttf"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, reduced(whole))
    return path


def reduced(whole: bytes) -> bytes:
    """Return the part of a TrueType font that figures use; what is drawn with it is the same."""
    from fontTools import subset

    options = subset.Options(legacy_kern=True)
    options.drop_tables += UNUSED
    font = subset.load_font(BytesIO(whole), options)
    chosen = subset.Subsetter(options)
    chosen.populate(unicodes=[*LETTERS, *SIGNS])
    chosen.subset(font)
    part = BytesIO()
    font.save(part)
    return part.getvalue()
