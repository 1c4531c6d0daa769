"""What leaves a process as text: its log, and the traces of what ended it, without secrets."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Final, TextIO

from core.model.redaction import Redactor

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class RedactingFormatter(logging.Formatter):
    """Formats a record whole, its traceback included, then takes secrets out of all of it."""

    def __init__(self, redactor: Redactor, layout: str = FORMAT) -> None:
        super().__init__(layout)
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return self._redactor.text(super().format(record))


def guard_output(redactor: Redactor, stream: TextIO | None = None) -> None:
    """Log to a stream (stderr), and let nothing that ends this process show a secret.

    Covers the root logger, uncaught exceptions of every thread and of the main one, and those
    Python cannot raise; asyncio reports its own through the log.
    """
    out = stream or sys.stderr
    handler = logging.StreamHandler(out)
    handler.setFormatter(RedactingFormatter(redactor))
    root = logging.getLogger()
    for other in root.handlers[:]:
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(logging.INFO)

    def say(head: str, error: BaseException | None, trace: TracebackType | None) -> None:
        lines = [head] if head else []
        if error is not None:
            lines += traceback.format_exception(type(error), error, trace)
        out.write(redactor.text("".join(lines)))
        out.flush()

    def uncaught(_: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        say("", error, trace)

    def uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            name = args.thread.name if args.thread else "unknown"
            say(f"Exception in thread {name}:\n", args.exc_value, args.exc_traceback)

    def unraisable(args: UnraisableHookArgs) -> None:
        head = f"{args.err_msg or 'Exception ignored in'}: {args.object!r}\n"
        say(head, args.exc_value, args.exc_traceback)

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
    sys.unraisablehook = unraisable
