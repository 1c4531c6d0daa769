"""A scripted engine link: it drives a real replica and keeps what was asked of it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import msgspec
from fake_market import (
    BTC,
    NOW_NS,
    SYMBOLS,
    Market,
    ema,
    instruments,
    listing,
    order,
    prediction,
    snapshot,
    strategy,
)
from stories import ledger, life, portfolio, preview
from wide_market import binance_and_others, quality, spark

from core.model import commands as cmd
from core.model.accounts import RiskState
from core.model.errors import ClxError, ConfigError, LinkError
from core.model.ids import InstrumentId
from core.model.market import Side
from core.model.orders import OrderState
from core.model.views import (
    BarColumns,
    Chart,
    ChartTail,
    ChartWish,
    EngineSnapshot,
    EngineStatus,
    Fact,
    InstrumentsChanged,
    MarketFrame,
    OrderChanged,
    StatusChanged,
    StrategyChanged,
    View,
    WatchGroup,
)
from link.replica import Replica

BACKGROUND = (
    cmd.GetListing,
    cmd.GetSparks,
    cmd.GetQuality,
    cmd.PreviewOrder,
    cmd.GetPortfolio,
    cmd.GetOrders,
    cmd.GetFills,
    cmd.GetLedger,
)
Answer = Callable[[cmd.Command], Any]


class FakeLink:
    """Implements the port: records requests and views, and answers as a sound engine would.

    Tests change its mind with `answers` (by command class) and push facts and frames themselves.
    """

    def __init__(self, first: EngineSnapshot | None = None, up: bool = True) -> None:
        self.replica = Replica()
        self.state = "connecting"
        self.reason = "connecting"
        self.requests: list[cmd.Command] = []
        self.views: list[View] = []
        self.answers: dict[type[cmd.Command], Answer] = {}
        self.held: asyncio.Event | None = None
        """When set, requests wait for it before they are answered."""
        self.first = first or snapshot()
        self.markets = {
            item.id: Market(item, SYMBOLS[item.symbol][0], seed)
            for seed, item in enumerate(instruments())
        }
        self._comes_up = up
        self._opened = 0

    async def run(self) -> None:
        """Come up at once, or never."""
        if self._comes_up:
            self.come_up()
        await asyncio.Event().wait()

    def come_up(self) -> None:
        """Connect: the replica gets its snapshot, then a chart and a frame of the view."""
        self.state, self.reason = "up", ""
        self.replica.apply_snapshot(self.first)
        self.send_chart()

    def go_down(self, reason: str = "the engine closed the connection") -> None:
        """Lose the engine."""
        self.state, self.reason = "down", reason

    def watch(self, view: View) -> None:
        """Keep the view; a connected link answers with a chart at once."""
        before = self.views[-1] if self.views else None
        self.views.append(view)
        changed = before is None or _charted(before) != _charted(view)
        if self.state == "up" and changed:
            self.send_chart()

    @property
    def sent(self) -> list[cmd.Command]:
        """Requests other than dry runs and what screens ask for by themselves."""
        return [
            item
            for item in self.requests
            if not getattr(item, "dry_run", False) and not isinstance(item, BACKGROUND)
        ]

    async def request(self, command: cmd.Command, timeout_s: float = 10.0) -> Any:
        """Record, then answer."""
        self.requests.append(command)
        if self.state != "up":
            raise LinkError(f"the engine is not reachable: {self.reason}")
        if self.held is not None:
            await self.held.wait()
        answer = self.answers.get(type(command))
        result = answer(command) if answer is not None else self.answer(command)
        if isinstance(result, ClxError):
            raise result
        return result

    def fact(self, fact: Fact) -> None:
        """Push a fact."""
        self.replica.apply_fact(self.replica.seq + 1, fact)

    def frame(self, **changes: Any) -> None:
        """Push a market frame."""
        base = MarketFrame(ts_ns=NOW_NS)
        self.replica.apply_frame(msgspec.structs.replace(base, **changes))

    def send_chart(self) -> None:
        """Send what the present view asks for."""
        view = self.views[-1] if self.views else View()
        if view.focus is None:
            return
        market = self.markets.get(view.focus)
        if market is None:
            return
        bars = market.bars(view.timeframe, min(view.bars, 400))
        tick = float(market.instrument.price_tick)
        overlays = {
            name: self._indicator(name, bars.close, tick) for name in view.indicators if "(" in name
        }
        lines = {key: value for group in overlays.values() for key, value in group.items()}
        self._opened = market.mid
        self.frame(
            ts_ns=market.ts_ns,
            quotes=[
                self.markets[name].quote()
                for name in {*view.quotes, view.focus}
                if name in self.markets
            ],
            book=market.book(view.depth) if view.depth else None,
            tape=market.tape(30) if view.tape else [],
            chart=Chart(
                instrument_id=view.focus,
                timeframe=view.timeframe,
                bars=bars,
                indicators=lines,
                predictions=[prediction(market.ts_ns)] if view.focus == BTC else [],
            ),
            charts=[self._further(wish, market) for wish in view.charts],
            profile=market.profile(view.profile_step, 400) if view.profile_step else None,
        )
        self.send_tail()

    def _further(self, wish: ChartWish, market: Market) -> Chart:
        bars = market.bars(wish.timeframe, min(wish.bars, 400))
        tick = float(market.instrument.price_tick)
        groups = [self._indicator(name, bars.close, tick) for name in wish.indicators]
        return Chart(
            instrument_id=market.instrument.id,
            timeframe=wish.timeframe,
            bars=bars,
            indicators={key: value for group in groups for key, value in group.items()},
            predictions=[],
        )

    def send_tail(self) -> None:
        """Send the forming bar."""
        view = self.views[-1]
        assert view.focus is not None
        market = self.markets[view.focus]
        main, *more = (
            ChartTail(
                instrument_id=view.focus,
                timeframe=frame,
                closed=BarColumns(ts_open_ns=[], open=[], high=[], low=[], close=[], volume=[]),
                indicators={},
                predictions=[],
                forming=market.forming(frame, self._opened),
            )
            for frame in (view.timeframe, *(wish.timeframe for wish in view.charts))
        )
        self.frame(ts_ns=market.ts_ns, tail=main, tails=more)

    @staticmethod
    def _indicator(name: str, closes: list[int], tick: float) -> dict[str, list[float]]:
        if name.startswith("ema"):
            return {name: ema(closes, int(name[4:-1]), tick)}
        if name.startswith("bb"):
            middle = ema(closes, 20, tick)
            width = 30 * tick * max(1, closes[-1] // 40_000)
            return {
                f"{name}.upper": [value + width for value in middle],
                f"{name}.middle": middle,
                f"{name}.lower": [value - width for value in middle],
            }
        return {name: [50 + 20 * math.sin(i / 7) for i in range(len(closes))]}

    def answer(self, command: cmd.Command) -> Any:  # noqa: C901  one case per command
        """Carry out a command on the replica as an engine would."""
        match command:
            case cmd.Arm():
                armed = {
                    **self._status.armed,
                    command.instrument: self.now_ns + command.seconds * 1_000_000_000,
                }
                self.fact(StatusChanged(status=msgspec.structs.replace(self._status, armed=armed)))
                return cmd.Done(text="armed")
            case cmd.Disarm():
                left = {
                    name: end
                    for name, end in self._status.armed.items()
                    if command.instrument not in (None, name)
                }
                self.fact(StatusChanged(status=msgspec.structs.replace(self._status, armed=left)))
                return cmd.Done(text="disarmed")
            case cmd.SubmitOrder():
                return self._submit(command)
            case cmd.PreviewOrder():
                return preview(command, self.replica.equity)
            case cmd.SubmitBracket() | cmd.SubmitOco():
                return self._submit_group(command)
            case cmd.AmendOrder():
                return self._amend(command)
            case cmd.GetOrderLife():
                known = self.replica.orders.get(command.client_order_id)
                wrong = ConfigError(f"no order {command.client_order_id!r} is known")
                return wrong if known is None else life(known)
            case cmd.GetPortfolio():
                return portfolio()
            case cmd.GetOrders():
                return tuple(self.replica.orders.values())
            case cmd.GetFills():
                return tuple(self.replica.fills)
            case cmd.GetLedger():
                return ledger()
            case cmd.CancelOrder():
                known = self.replica.orders[command.client_order_id]
                gone = msgspec.structs.replace(known, state=OrderState.CANCELED)
                self.fact(OrderChanged(order=gone))
                return cmd.OrderReport(order=gone)
            case cmd.CancelAll() | cmd.Kill():
                count = sum(not item.state.terminal for item in self.replica.orders.values())
                risk = RiskState.HALTED if isinstance(command, cmd.Kill) else RiskState.ACTIVE
                return cmd.KillReport(risk_state=risk, cancels=count)
            case cmd.EnableStrategy() | cmd.DisableStrategy():
                on = isinstance(command, cmd.EnableStrategy)
                view = strategy(enabled=on, state="running" if on else "off")
                self.fact(StrategyChanged(strategy=view))
                return view
            case cmd.ClosePosition():
                return cmd.OrderReport(order=order(command.client_order_id, Side.SELL, None))
            case cmd.GetListing():
                return listing(self.replica)
            case cmd.GetInstruments():
                known = binance_and_others()
                return tuple(item for item in known if item.id in (command.names or (item.id,)))
            case cmd.GetSparks():
                quotes = self.replica.quotes
                return tuple(
                    spark(name, quotes[name].last_ticks)
                    for name in command.instruments
                    if name in quotes
                )
            case cmd.GetQuality():
                names = command.instruments or tuple(self.replica.feeds)
                days = range(command.days)
                return tuple(quality(name, day) for name in names for day in days)
            case cmd.AddGroup() | cmd.RenameGroup() | cmd.RemoveGroup():
                return self._regroup(command)
            case cmd.WatchInstrument() | cmd.UnwatchInstrument():
                return self._rewatch(command)
            case cmd.GetBalances():
                return self.replica.balances
            case _:
                return cmd.Done(text=f"{command.name} done")

    def _regroup(self, command: Any) -> cmd.Done:
        groups = list(self.replica.groups)
        match command:
            case cmd.AddGroup():
                groups.append(WatchGroup(name=command.group))
            case cmd.RenameGroup():
                groups = [
                    WatchGroup(name=command.to, instruments=group.instruments)
                    if group.name == command.group
                    else group
                    for group in groups
                ]
            case _:
                groups = [group for group in groups if group.name != command.group]
        self._tell(self.replica.watchlist, groups)
        return cmd.Done(text=f"{command.name} done")

    def _rewatch(self, command: Any) -> cmd.Done:
        adds = isinstance(command, cmd.WatchInstrument)

        def changed(names: tuple[InstrumentId, ...]) -> tuple[InstrumentId, ...]:
            rest = tuple(name for name in names if name != command.instrument)
            return (*rest, command.instrument) if adds else rest

        watchlist = self.replica.watchlist if command.group else changed(self.replica.watchlist)
        groups = [
            WatchGroup(name=group.name, instruments=changed(group.instruments))
            if group.name == command.group
            else group
            for group in self.replica.groups
        ]
        self._tell(watchlist, groups)
        return cmd.Done(text=f"{command.instrument} done")

    def _tell(self, watchlist: tuple[InstrumentId, ...], groups: list[WatchGroup]) -> None:
        named = {*watchlist, *(name for group in groups for name in group.instruments)}
        known = {item.id: item for item in binance_and_others()} | self.replica.instruments
        self.fact(
            InstrumentsChanged(
                instruments=tuple(
                    item
                    for item in known.values()
                    if item.id in named or item.id in self.replica.instruments
                ),
                watchlist=watchlist,
                groups=tuple(groups),
            )
        )

    @property
    def now_ns(self) -> int:
        """The engine's time."""
        return self.replica.frame_ts_ns or NOW_NS

    @property
    def _status(self) -> EngineStatus:
        assert self.replica.status is not None
        return self.replica.status

    def _submit_group(self, command: Any) -> cmd.GroupReport:
        """Accept the first and hold the others."""
        name, side = command.client_order_id, command.side
        exits = command.side.opposite if isinstance(command, cmd.SubmitBracket) else command.side
        first = command.price if isinstance(command, cmd.SubmitBracket) else command.target_price
        made = [
            order(name, side, str(first) if first else None, str(command.size)),
            order(f"{name}-s", exits, None, str(command.size), state=OrderState.HELD),
        ]
        if not command.dry_run:
            for item in made:
                self.fact(OrderChanged(order=item))
        return cmd.GroupReport(orders=tuple(made))

    def _amend(self, command: cmd.AmendOrder) -> cmd.OrderReport:
        known = self.replica.orders[command.client_order_id]
        intent = msgspec.structs.replace(
            known.intent,
            size=command.size or known.intent.size,
            price=command.price or known.intent.price,
            trigger_price=command.trigger_price or known.intent.trigger_price,
        )
        changed = msgspec.structs.replace(known, intent=intent)
        if not command.dry_run:
            self.fact(OrderChanged(order=changed))
        return cmd.OrderReport(order=changed)

    def _submit(self, command: cmd.SubmitOrder) -> cmd.OrderReport:
        made = order(
            command.client_order_id,
            command.side,
            str(command.price) if command.price is not None else None,
            str(command.size),
            instrument=command.instrument,
        )
        if not command.dry_run:
            self.fact(OrderChanged(order=made))
        return cmd.OrderReport(order=made)


def _charted(view: View) -> tuple[object, ...]:
    return view.focus, view.timeframe, view.indicators, view.charts, view.profile_step
