"""A scripted link whose market moves in real time, for eyes."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from fake_link import FakeLink
from fake_market import BTC, NOW_NS, fill, order, snapshot, strategy

from core.model.accounts import Position
from core.model.ids import StrategyId
from core.model.market import Side
from core.model.signals import Direction, Signal
from core.model.views import Alert, View

FRAMES_PER_S = 10


class LivelyLink(FakeLink):
    """Has orders, a position, a fill and a running strategy, and never stands still."""

    def __init__(self) -> None:
        signal = Signal(
            strategy_id=StrategyId("rsi"),
            instrument_id=BTC,
            direction=Direction.LONG,
            confidence=0.72,
            reason="rsi 28.4 below 30",
            ts_event_ns=NOW_NS,
        )
        position = Position(
            instrument_id=BTC,
            size=Decimal("0.25000"),
            average_price=Decimal("64015.20"),
            realised_pnl=Decimal("12.40"),
            fees=Decimal("3.21"),
            mark_price=Decimal("64218.50"),
            unrealised_pnl=Decimal("50.83"),
        )
        strategies = (
            strategy(
                enabled=True,
                state="running",
                signals=7,
                orders=3,
                realised_pnl=Decimal("124.50"),
                last_signal=signal,
            ),
        )
        super().__init__(
            snapshot(
                orders=(
                    order("clxt-0000000000-0000a91f", Side.BUY, "64180.00"),
                    order("clxs-0000000000-0000a91e", Side.SELL, "64290.00", "0.25000"),
                ),
                positions=(position,),
                fills=(fill(),),
                strategies=strategies,
                signals=(signal,),
                alerts=(
                    Alert(ts_ns=NOW_NS, level="info", source="engine", text="session abcd started"),
                ),
            )
        )

    async def run(self) -> None:
        """Move the market until cancelled."""
        self.come_up()
        while True:
            await asyncio.sleep(1 / FRAMES_PER_S)
            self.step()

    def step(self) -> None:
        """Make one frame."""
        view = self.views[-1] if self.views else View()
        if view.focus is None:
            return
        for market in self.markets.values():
            market.move()
        market = self.markets[view.focus]
        others = [self.markets[name].quote() for name in view.quotes if name != view.focus]
        self.frame(
            ts_ns=market.ts_ns,
            quotes=[market.quote(), *others],
            book=market.book(view.depth) if view.depth else None,
            tape=market.tape(market.rng.randint(0, 4)) if view.tape else [],
        )
        self.send_tail()
