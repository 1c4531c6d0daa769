"""A scripted link whose market moves in real time, for eyes."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from fake_link import FakeLink
from fake_market import BTC, NOW_NS, fill, instruments, order, snapshot, strategy
from wide_market import groups, perpetuals, wide_feeds, wide_line, wide_listing

from core.model.accounts import Position
from core.model.commands import GetListing
from core.model.ids import InstrumentId, StrategyId
from core.model.market import Side
from core.model.signals import Direction, Signal
from core.model.views import Alert, QuoteLine, View

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
                instruments=(*instruments(), *perpetuals()),
                groups=groups(),
                feeds=(*snapshot().feeds, *wide_feeds()),
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

        self.answers[GetListing] = lambda _: wide_listing()
        self._lines = {item.id: wide_line(item, seed) for seed, item in enumerate(perpetuals())}

    async def run(self) -> None:
        """Move the market until cancelled."""
        self.come_up()
        while True:
            await asyncio.sleep(1 / FRAMES_PER_S)
            self.step()

    def step(self) -> None:
        """Make one frame."""
        view = self.views[-1] if self.views else View()
        for market in self.markets.values():
            market.move()
        here = self.markets[BTC] if view.focus is None else self.markets.get(view.focus)
        self.frame(
            ts_ns=self.markets[BTC].ts_ns,
            quotes=[line for name in view.quotes if (line := self._line(name)) is not None],
        )
        if view.focus is None or here is None:
            return
        self.frame(
            ts_ns=here.ts_ns,
            quotes=[here.quote()],
            book=here.book(view.depth) if view.depth else None,
            tape=here.tape(here.rng.randint(0, 4)) if view.tape else [],
            profile=here.profile(view.profile_step, 400) if view.profile_step else None,
        )
        self.send_tail()

    def _line(self, name: InstrumentId) -> QuoteLine | None:
        market = self.markets.get(name)
        return market.quote() if market is not None else self._lines.get(name)
