"""Verbs that trade or stop trading, with a scripted engine behind them."""

from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from clx.cli import trade
from core.model.ids import VenueName
from core.model.views import VenueView


@pytest.mark.parametrize(
    ("reconciled_ns", "differences", "words"),
    [
        (0, (), "not compared yet"),
        (1, (), "ok"),
        (1, ("1 open order of others is left alone",), "1 open order of others is left alone"),
    ],
)
def test_what_was_never_compared_is_not_called_ok(
    monkeypatch: pytest.MonkeyPatch, reconciled_ns: int, differences: Any, words: str
) -> None:
    view = VenueView(
        venue=VenueName("okx"), connected=True, reason="", reconciled_ns=reconciled_ns,
        differences=differences,
    )  # fmt: skip
    monkeypatch.setattr(trade, "ask", lambda command: SimpleNamespace(venues=[view]))
    result = CliRunner().invoke(trade.reconcile, ["--dry-run"])
    assert result.output.strip().endswith(f"nothing is asked; last time: {words}")
