"""List and fetch the real data sets."""

import click

from workbench.core import catalogue


@click.group(no_args_is_help=False)
def command() -> None:
    """List and fetch the real data sets."""


@command.command("list")
def list_() -> None:
    """Name the data sets that can be fetched."""
    for name, module in catalogue.datasets().items():
        click.echo(f"{name}\t{module.DESCRIPTION}")


@command.command()
@click.argument("name", required=False)
def fetch(name: str | None) -> None:
    """Fetch the data set NAME, or all of them, once, checked by SHA-256."""
    known = catalogue.datasets()
    chosen = known if name is None else {name: catalogue.pick("data set", known, name)}
    for key, module in chosen.items():
        click.echo(f"{key}: fetched" if module.fetch() else f"{key}: already here, nothing to do")
