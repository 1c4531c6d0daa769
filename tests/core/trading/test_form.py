"""What an order says, against what its venue lists."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core.model.instruments import InstrumentKind
from core.trading.form import check_form


@pytest.mark.parametrize(
    ("kind", "reduces", "allowed"),
    [
        (InstrumentKind.PERPETUAL, True, True),
        (InstrumentKind.PERPETUAL, False, False),
        (InstrumentKind.SPOT, True, False),
    ],
)
def test_only_what_closes_contracts_may_be_worth_less_than_the_least(
    floor: Any, kind: InstrumentKind, reduces: bool, allowed: bool
) -> None:
    spot = next(item for item in floor.instruments.values() if item.min_notional)
    item = msgspec.structs.replace(spot, kind=kind, settle="USDT")
    intent = floor.intent("o", "sell", "0.01", "100", reduce_only=reduces)
    denial = check_form(intent, item, Decimal(100))
    assert (denial is None) is allowed
    if denial is not None:
        assert denial.rule == "instrument.min_notional"
        assert "at least 5 USDT, was 1" in denial.reason
