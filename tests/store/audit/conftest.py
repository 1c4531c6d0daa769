from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.model.audit import AuditRecord
from core.model.redaction import Redactor
from store.audit.writer import AuditLog

NOW = 1_763_719_200_123_000_000


@pytest.fixture
def record() -> Callable[..., AuditRecord]:
    def make(what: str = "submit_order", **fields: object) -> AuditRecord:
        known: dict[str, object] = {
            "ts_ns": NOW,
            "origin": "cli",
            "what": what,
            "parameters": {"instrument": "BTC-USDT.binance", "size": "0.5"},
            "outcome": "accepted",
        }
        return AuditRecord(**(known | fields))  # type: ignore[arg-type]  # a table of fields

    return make


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Callable[..., AuditLog]]:
    opened: list[AuditLog] = []

    def make(redactor: Redactor | None = None, **bounds: int) -> AuditLog:
        opened.append(AuditLog(tmp_path / "audit", redactor or Redactor(), **bounds))
        return opened[-1]

    yield make
    for each in opened:
        each.close()
