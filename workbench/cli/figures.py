"""`workbench figures`: draw the papers' figures."""

import sys
from pathlib import Path

import click
import msgspec

from workbench.cli.options import SEED
from workbench.core.errors import InputError


@click.command()
@click.argument("keys", nargs=-1, metavar="[PAPER/FIGN]...")
@click.option("--list", "as_list", is_flag=True, help="Only list the figures.")
@click.option("--out", default="build/figures", show_default=True, metavar="DIR", help="Where to write them.")
@click.option("--seed", type=SEED, help="Of the random profiles; each figure has its own by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def command(keys: tuple[str, ...], as_list: bool, out: str, seed: int | None, as_json: bool) -> None:
    """Draw the figures PAPER/FIGN, by default all, as SVG, PDF and PNG, with their data and a manifest."""
    from figures.manifest import available, render

    found = available()
    unknown = [key for key in keys if key not in found]
    if unknown:
        raise InputError(f"unknown figure '{unknown[0]}': choose one of {', '.join(found)}")
    chosen = {key: found[key] for key in keys or found}
    if as_list:
        _print({key: entry.title for key, entry in chosen.items()}, as_json)
        return
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made a directory ({error.strerror}): choose another --out") from None
    given = {} if seed is None else {"seed": seed}
    manifests = {}
    for key, entry in chosen.items():
        manifests[key] = render(entry, folder, **given)
        if not as_json:
            print(f"{key}: {', '.join(str(folder / name) for name in manifests[key]['files'])}")
    if as_json:
        _print(manifests, as_json)


def _print(found: dict[str, str] | dict[str, dict[str, object]], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        for key, title in found.items():
            print(f"{key}  {title}")
