"""What verbs that change something without an engine share: stars for secrets, and the audit."""

from __future__ import annotations

import time
from typing import Any

import click

from core.model.audit import AuditRecord
from core.model.redaction import Redactor


def redactor_of() -> Redactor:
    """Return this run's redactor, which its errors go through as well."""
    context = click.get_current_context(silent=True)
    found = context.find_object(Redactor) if context is not None else None
    return found or Redactor()


def note(what: str, parameters: dict[str, Any], outcome: str, *, refused: bool) -> None:
    """Write down what this process did, and who it is; a log that cannot be written is told."""
    from link.peer import this_client
    from store.audit.writer import AuditLog
    from store.paths import find_paths

    log = AuditLog(find_paths().audit, redactor_of())
    log.note(
        AuditRecord(
            ts_ns=time.time_ns(),
            origin="cli",
            what=what,
            parameters=parameters,
            outcome=outcome,
            refused=refused,
            client=this_client(),
        )
    )
    log.close()
    if log.error:
        click.echo(f"clx: {log.error}", err=True)
