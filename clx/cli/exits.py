"""Exit codes, and how an error becomes one."""

from __future__ import annotations

import traceback
from enum import IntEnum

import click

from core.model.errors import (
    ClxError,
    ConfigError,
    DataError,
    InvariantError,
    LinkError,
    OutcomeUnknown,
    StoreError,
    VenueError,
)
from core.model.redaction import Redactor


class Exit(IntEnum):
    """What the shell sees; these numbers are stable."""

    OK = 0
    REFUSED = 1
    """The engine or the venue said no; for `doctor`, something is wrong."""
    USAGE = 2
    """The words or the settings are wrong."""
    UNREACHABLE = 3
    """No engine answers."""
    UNKNOWN = 4
    """It may or may not have happened: look before doing it again."""
    DATA = 5
    """A file or frame is not what it should be, or the disk fails."""
    INTERNAL = 70
    """A bug of ours."""
    INTERRUPTED = 130
    """ctrl+c."""


def exit_code(error: ClxError) -> Exit:
    """Return the exit code of an error."""
    match error:
        case ConfigError():
            return Exit.USAGE
        case LinkError():
            return Exit.UNREACHABLE
        case OutcomeUnknown():
            return Exit.UNKNOWN
        case VenueError():
            return Exit.REFUSED
        case DataError() | StoreError():
            return Exit.DATA
        case InvariantError():
            return Exit.INTERNAL
        case _:
            return Exit.REFUSED


def run(command: click.Command) -> int:
    """Run a click command and return its exit code; a message goes to stderr."""
    # Verbs that handle secrets teach it (`clx.cli.settled`), so that no error shows one.
    redactor = Redactor()
    try:
        result = command.main(standalone_mode=False, obj=redactor)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return Exit.INTERRUPTED
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except ClxError as error:
        click.echo(redactor.text(f"clx: {error}"), err=True)
        return exit_code(error)
    except (BrokenPipeError, SystemExit):
        # The reader of our output, such as `head`, has gone: nothing is wrong. (Click leaves with
        # SystemExit(1) then, and for nothing else here.)
        return Exit.OK
    except Exception:  # the last supervisor: a bug must not look like a refusal to a script
        click.echo("clx: a bug of ours; please report it with what follows", err=True)
        click.echo(redactor.text(traceback.format_exc()), err=True)
        return Exit.INTERNAL
    return int(result) if isinstance(result, int) else Exit.OK
