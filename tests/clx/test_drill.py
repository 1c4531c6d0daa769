"""Where a drill is refused."""

from types import SimpleNamespace
from typing import Any

import pytest

from clx.drill import Drill
from core.model.accounts import RiskState
from core.model.errors import ConfigError
from core.model.ids import InstrumentId

BTC = InstrumentId("BTC-USDT.binance")


def link(mode: str, risk: RiskState = RiskState.ACTIVE) -> Any:
    status = SimpleNamespace(mode=mode, phase="running", risk_state=risk, risk_reason="a test")
    replica = SimpleNamespace(status=status, venues={}, orders={}, positions={}, instruments={})
    return SimpleNamespace(replica=replica, state="up")


async def test_a_drill_is_refused_where_money_is_real() -> None:
    with pytest.raises(ConfigError, match=r"real money \(LIVE\)"):
        await Drill(BTC, 1.0)._check(link("LIVE"))


async def test_a_drill_is_refused_while_a_kill_stands() -> None:
    with pytest.raises(ConfigError, match="risk is reducing"):
        await Drill(BTC, 1.0)._check(link("SIM", RiskState.REDUCING))
