"""The command `workbench`: parse, call, print. Each command is one module, imported when it is asked for."""

import errno
import importlib
import io
import os
import select
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from workbench import __version__
from workbench.core.errors import InputError, LostWorkerError

COMMANDS = {
    "profile": "Fit delay models to a response-time log and give each worker's straggle probability.",
    "design": "Design the optimal code for a log or a profile, beside what the same budget buys elsewhere.",
    "simulate": "Run a sweep of configurations, or a designed code and every baseline, on the same stragglers.",
    "report": "Write the whole story of one log as a self-contained HTML page.",
    "measure": "Record a response-time log from real worker processes on this machine.",
    "placements": "List who can hold which parts, or build one placement and print its certificate.",
    "check": "Run the checks of the papers' claims against the ledger.",
    "bounds": "List the papers' convergence bounds, or evaluate one.",
    "figures": "Draw the papers' figures.",
    "data": "List and fetch the real data sets.",
    "schema": "Print the JSON Schema of profile.json or code.json.",
}


class LazyGroup(click.Group):
    """List the commands without importing them, so that the help page is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the work, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module behind `cmd_name`; it calls its command `command`."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"workbench.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands from their one-line summaries."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    invoke_without_command=True,
)
@click.version_option(__version__, prog_name="workbench")
@click.pass_context
def app(ctx: click.Context) -> None:
    """Straggler-tolerant, communication-efficient distributed learning: design, check, compare."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


class Terminated(KeyboardInterrupt):
    """SIGTERM: the end that an interrupt is, with an exit code of its own."""


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def main() -> None:
    """Run the command line; a mistake in the input is one line on stderr and exit code 2."""
    signal.signal(signal.SIGTERM, _terminate)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a letter shows a question mark
    try:
        app(prog_name="workbench", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "workbench"
        _leave(f"{error.format_message()} See `{path} --help`.", 2)
    except (InputError, click.ClickException) as error:
        _leave(str(error), 2)
    except (KeyboardInterrupt, click.Abort) as stop:
        reason = stop.__cause__ or stop  # click wraps the one in the other
        _leave(str(reason) or "interrupted", 143 if isinstance(reason, Terminated) else 130)
    except LostWorkerError as lost:
        _leave(str(lost), 1)
    except MemoryError:
        _leave("out of memory: ask for fewer runs, parts or workers", 2)
    except BrokenPipeError:
        if not _reader_is_gone():
            raise
        _discard_output()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _discard_output()
        _leave(f"the output cannot be written ({error.strerror}): make room or print elsewhere", 2)


def _reader_is_gone() -> bool:
    """Tell whether the broken pipe is our output, whose reader has seen enough, or some other one."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _discard_output() -> None:
    """Let what is still buffered go nowhere, or Python would try to write it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave(message: str, code: int) -> NoReturn:
    line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in " ".join(message.split()))
    print(f"workbench: {line}", file=sys.stderr)
    sys.exit(code)
