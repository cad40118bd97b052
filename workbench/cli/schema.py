"""`workbench schema`: the JSON Schema of the files that travel between commands."""

import click
import msgspec


@click.command()
@click.argument("document", type=click.Choice(["profile", "code"]))
def command(document: str) -> None:
    """Print the JSON Schema of profile.json or code.json."""
    from workbench.formats import code, profile

    schema = {"profile": profile.json_schema, "code": code.json_schema}[document]()
    click.echo(msgspec.json.format(msgspec.json.encode(schema), indent=2).decode())
