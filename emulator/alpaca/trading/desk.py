"""The life of orders: to the book or the house, fills, legs, replacements, and the day's end.

Whole shares and coins trade in the books. Parts of a share are filled by the house at the best
price, options by a market maker who quotes. Orders outside a share's hours wait.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import deque
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from typing import Final

from core.model.market import Side
from core.model.orders import TimeInForce
from core.venues.matching import Accepted, Canceled, Expired, MatchEvent, Traded
from emulator.alpaca.trading import wire
from emulator.alpaca.trading.account import Account, Activity, Update
from emulator.alpaca.trading.assets import CONTRACT, QUOTED, Assets, Instrument
from emulator.alpaca.trading.orders import Fill, Order
from emulator.alpaca.trading.watch import Watch
from emulator.clock import MS
from emulator.market.latent import stream
from emulator.market.market import Market
from emulator.market.shard import Shard
from emulator.wire.venue import Json

_NONE: Final = Decimal(0)
_TAKER_FEE: Final = Decimal("0.0025")
_MAKER_FEE: Final = Decimal("0.0015")
_FEE_STEP: Final = Decimal("1e-9")
_TIFS: Final = {"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}
_ENDS: Final = {"canceled": "canceled_ms", "expired": "expired_ms", "rejected": "failed_ms"}


class Desk:
    """Takes the orders of all accounts to the market."""

    def __init__(
        self,
        market: Market,
        assets: Assets,
        seed: int,
        closed: Callable[[Instrument, Order], bool],
    ) -> None:
        self.market = market
        self.assets = assets
        self.accounts: dict[int, Account] = {}
        self._closed = closed
        """Whether an order must wait for the market to open."""
        self._rng = stream(seed, "alpaca", "ids")
        self._by_engine: dict[tuple[Shard, int], tuple[Account, Order]] = {}
        self._watches = {shard: Watch(shard) for shard in market.shards.values()}
        self._waiting: list[tuple[Account, Order]] = []
        self.option_prints: deque[tuple[str, Json]] = deque(maxlen=1_000)
        """Trades of options that are still to be told, by symbol."""
        self._acting_ns: int | None = None
        """The moment that is lived through; None: an account asks for something now."""
        self._asked_ns = 0
        """When an account last asked for something."""
        """For the opening, for a quote, or for the house."""
        self._next_second_ms = 0
        self._settling = False
        for shard in market.shards.values():
            shard.private = self._on_event
        market.after_acts.append(self.act)

    @property
    def now_ms(self) -> int:
        """The market's time."""
        if self._acting_ns is None:
            return self.market.now_ns // MS
        return max(self._acting_ns, self._asked_ns) // MS

    def new_id(self) -> str:
        """Return an id nobody has, the same in every run."""
        return str(uuid.UUID(bytes=self._rng.bytes(16), version=4))

    def open_account(self, name: str, cash: Decimal) -> Account:
        """Open an account with so many dollars."""
        account = Account(len(self.accounts) + 1, name, cash)
        self.accounts[account.owner] = account
        return account

    def submit(self, account: Account, order: Order) -> None:
        """Take a checked order and its legs, and carry out what can be at once."""
        self._asked_ns = self.market.now_ns
        account.add(order)
        for leg in order.legs:
            leg.status = "held"
            account.add(leg)
        self._start(account, order)
        if order.role == "target":
            for leg in order.legs:
                if leg.open:
                    self._arm(account, leg)
        self.settle()

    def cancel(self, account: Account, order: Order) -> None:
        """Cancel an order, and the legs that wait for it or go with it."""
        self._asked_ns = self.market.now_ns
        for each in (order, *order.legs, *order.twins):
            if each.open:
                self._take_out(account, each, "canceled")

    def reject(self, account: Account, order: Order) -> None:
        """End an order as the venue itself does, if it still stands."""
        self._asked_ns = self.market.now_ns
        for each in (order, *order.legs):
            if each.open:
                self._take_out(account, each, "rejected")

    def replace(self, account: Account, old: Order, new: Order) -> None:
        """Put a checked order in the place of one that stands."""
        self._asked_ns = self.market.now_ns
        self._remove(old)
        old.status = "replaced"
        old.replaced_by, old.replaced_ms = new.id, self.now_ms
        new.replaces, new.role, new.parent = old.id, old.role, old.parent
        new.legs = old.legs
        for leg in new.legs:
            leg.parent = new
        if old.parent is not None:
            old.parent.legs = [new if leg is old else leg for leg in old.parent.legs]
        old.legs = []
        account.open.pop(old.id, None)
        account.add(new)
        self._tell(account, old, "replaced")
        waits = new.parent is not None and not new.live
        if waits or (new.role == "stop" and new.parent is not None):
            new.status = "held"
            if not waits:
                self._arm(account, new)
        else:
            self._start(account, new)
        self.settle()

    def act(self, now_ns: int) -> None:
        """Carry out what prices, quotes and the clock let go."""
        now_ms = now_ns // MS
        self._acting_ns = now_ns
        try:
            if now_ms >= self._next_second_ms:
                self._next_second_ms = now_ms + 1_000
                self._each_second(now_ms)
            self.settle()
        finally:
            self._acting_ns = None

    def settle(self) -> None:
        """Carry out what the newest trades let go, and what that lets go in turn."""
        if self._settling:
            return
        self._settling = True
        try:
            while any(self._free_one(watch) for watch in self._watches.values()):
                pass
            for account, order in list(self._waiting):
                self._try_again(account, order)
        finally:
            self._settling = False

    def _free_one(self, watch: Watch) -> bool:
        freed = watch.next()
        if freed is None:
            return False
        account, order = freed
        for twin in order.twins:
            # One of a pair trades: the other has no more to do.
            self._take_out(account, twin, "canceled")
        order.status = "new"
        self._work(account, order)
        return True

    def _each_second(self, now_ms: int) -> None:
        self.assets.second(now_ms)
        for account in self.accounts.values():
            for order in list(account.open.values()):
                if order.open and order.expires_ms and now_ms >= order.expires_ms:
                    for each in (order, *order.legs, *order.twins):
                        if each.open:
                            self._take_out(account, each, "expired")
            self._settle_options(account, now_ms)

    def _settle_options(self, account: Account, now_ms: int) -> None:
        """Exercise options that ended in the money, and forget the others."""
        for position in list(account.positions.values()):
            contract = position.instrument.contract
            if contract is None or now_ms < contract.expiry_ms:
                continue
            qty, worth = position.qty, contract.worth()
            kind = "OPEXC" if worth > 0 else "OPEXP"
            account.move(position.instrument, Side.SELL, qty, _NONE)
            if worth > 0:
                share = self.assets.find(contract.underlying.listing.symbol)
                assert share is not None
                side = Side.BUY if contract.call else Side.SELL
                account.move(share, side, qty * CONTRACT, contract.strike)
            account.activities.append(
                Activity(
                    id=self._activity_id(now_ms),
                    type=kind,
                    symbol=position.instrument.symbol,
                    qty=-qty,
                    price=contract.strike,
                    net=_NONE,
                    description="Option Exercise" if worth > 0 else "Option Expiration",
                    ts_ms=now_ms,
                )
            )

    def _start(self, account: Account, order: Order) -> None:
        if order.waits_ms or self._closed(order.instrument, order):
            self._waiting.append((account, order))
            self._tell(account, order, "accepted")
            return
        self._go(account, order)

    def _go(self, account: Account, order: Order) -> None:
        order.status = "new"
        self._tell(account, order, "new")
        if order.conditional:
            self._arm(account, order)
        else:
            self._work(account, order)

    def _arm(self, account: Account, order: Order) -> None:
        if order.instrument.shard is not None:
            self._watches[order.instrument.shard].arm(account, order)

    def _work(self, account: Account, order: Order) -> None:
        """Send an order to its book, or to whoever fills it."""
        shard = order.instrument.shard
        market = order.type in ("market", "stop", "trailing_stop")
        if shard is None:
            self._waiting.append((account, order))
            self._try_again(account, order)
            return
        left = order.left
        whole = (left / order.instrument.lot).to_integral_value(ROUND_DOWN)
        order.house = left - whole * order.instrument.lot
        if order.house:
            self._waiting.append((account, order))
        if whole:
            order.engine_id = shard.next_order_id()
            self._by_engine[(shard, order.engine_id)] = (account, order)
            ts_ns = shard.stamp(self.market.now_ns)
            engine, lots = shard.engine, int(whole)
            if market or order.limit is None:
                events = engine.market(order.engine_id, account.owner, order.side, lots)
            else:
                ticks = int(order.limit / order.instrument.tick)
                tif = _TIFS.get(order.tif, TimeInForce.GTC)
                if order.waits_ms:
                    tif = TimeInForce.IOC
                events = engine.limit(order.engine_id, account.owner, order.side, ticks, lots, tif)
            shard.apply(events, ts_ns)
        if order.house and order.open:
            self._try_again(account, order)

    def _try_again(self, account: Account, order: Order) -> None:
        """Fill what waits for the opening, for a quote or for the house, if its time has come."""
        if not order.open:
            self._waiting.remove((account, order))
            return
        if order.status == "accepted":
            if self.now_ms >= order.waits_ms and not self._closed(order.instrument, order):
                self._waiting.remove((account, order))
                self._go(account, order)
            return
        instrument = order.instrument
        best = instrument.best(buys=order.side is Side.BUY)
        size = order.left if instrument.shard is None else order.house
        limited = order.limit is not None and order.type in ("limit", "stop_limit")
        if best is None or best <= 0 or not size:
            return
        if limited and order.limit is not None and (best - order.limit) * order.side.sign > 0:
            if order.tif in _TIFS:
                self._take_out(account, order, "canceled")
            return
        whole_first = instrument.shard is not None and order.left > order.house
        if whole_first and limited:
            return
        if instrument.shard is None:
            size = min(size, QUOTED)
            if order.tif == "fok" and size < order.left:
                self._take_out(account, order, "canceled")
                return
        else:
            order.house = _NONE
        self._fill(account, order, size, best, maker=False)
        if order.open and order.tif == "ioc":
            self._take_out(account, order, "canceled")

    def _take_out(self, account: Account, order: Order, ending: str) -> None:
        self._remove(order)
        self._end(account, order, ending)

    def _remove(self, order: Order) -> None:
        """Take an order out of wherever it waits or rests, without a word."""
        shard = order.instrument.shard
        order.house = _NONE
        if shard is not None:
            self._watches[shard].disarm(order)
            if order.engine_id:
                self._by_engine.pop((shard, order.engine_id), None)
                events = shard.engine.cancel(order.engine_id)
                order.engine_id = 0
                shard.apply(events, shard.stamp(self.market.now_ns))
        self._waiting = [each for each in self._waiting if each[1] is not order]

    def _end(self, account: Account, order: Order, ending: str) -> None:
        order.status = ending
        setattr(order, _ENDS[ending], self.now_ms)
        account.open.pop(order.id, None)
        self._tell(account, order, ending)
        for leg in order.legs:
            if leg.open and order.role == "entry":
                self._take_out(account, leg, ending if ending != "rejected" else "canceled")

    def _on_event(self, shard: Shard, event: MatchEvent, trade_id: int) -> None:
        before, self._acting_ns = self._acting_ns, shard.last_ns
        try:
            self._happened(shard, event)
        finally:
            self._acting_ns = before

    def _happened(self, shard: Shard, event: MatchEvent) -> None:
        if isinstance(event, Traded):
            for engine_id, maker in ((event.taker_id, False), (event.maker_id, True)):
                found = self._by_engine.get((shard, engine_id))
                if found is not None:
                    account, order = found
                    qty = event.lots * order.instrument.lot
                    price = event.price_ticks * order.instrument.tick
                    self._fill(account, order, qty, price, maker=maker)
        elif isinstance(event, Expired):
            found = self._by_engine.pop((shard, event.order_id), None)
            if found is not None:
                account, order = found
                order.engine_id, order.house = 0, _NONE
                self._waiting = [each for each in self._waiting if each[1] is not order]
                self._end(account, order, "canceled")
        elif isinstance(event, (Accepted, Canceled)):
            return

    def _fill(
        self, account: Account, order: Order, qty: Decimal, price: Decimal, *, maker: bool
    ) -> None:
        instrument, now_ms = order.instrument, self.now_ms
        account.move(instrument, order.side, qty, price)
        fee, fee_asset = self._fee(order, qty, price, maker=maker)
        account.pay(instrument, order.side, fee)
        order.filled_qty += qty
        order.value += qty * price
        done = not order.left
        order.status = "filled" if done else "partially_filled"
        order.filled_ms = now_ms
        if instrument.contract is not None:
            self.option_prints.append((instrument.symbol, wire.option_trade(price, qty, now_ms)))
        fill = Fill(
            id=self._activity_id(now_ms),
            order=order,
            qty=qty,
            price=price,
            cum_qty=order.filled_qty,
            fee=fee,
            fee_asset=fee_asset,
            maker=maker,
            ts_ms=now_ms,
        )
        order.fills = [*order.fills, fill]
        account.fills.append(fill)
        account.activities.append(fill)
        if fee:
            self._note_fee(account, order, fee, fee_asset, now_ms)
        if done:
            account.open.pop(order.id, None)
            if instrument.shard is not None:
                self._by_engine.pop((instrument.shard, order.engine_id), None)
            order.engine_id = 0
            self._waiting = [each for each in self._waiting if each[1] is not order]
        self._tell(account, order, "fill" if done else "partial_fill", fill)
        self._after_fill(account, order, qty)

    def _fee(
        self, order: Order, qty: Decimal, price: Decimal, *, maker: bool
    ) -> tuple[Decimal, str]:
        if order.instrument.kind != "crypto":
            return _NONE, "USD"
        rate = _MAKER_FEE if maker else _TAKER_FEE
        if order.side is Side.BUY:
            coin = order.instrument.symbol.partition("/")[0]
            return (qty * rate).quantize(_FEE_STEP, ROUND_DOWN), coin
        return qty * price * rate, "USD"

    def _note_fee(
        self, account: Account, order: Order, fee: Decimal, asset: str, now_ms: int
    ) -> None:
        buys = order.side is Side.BUY
        account.activities.append(
            Activity(
                id=self._activity_id(now_ms),
                type="CFEE",
                symbol=order.instrument.symbol,
                qty=-fee if buys else _NONE,
                price=_NONE,
                net=_NONE if buys else -fee,
                description=f"Coin Pair Transaction Fee ({'Non USD' if buys else asset})",
                ts_ms=now_ms,
            )
        )

    def _after_fill(self, account: Account, order: Order, qty: Decimal) -> None:
        for twin in order.twins:
            if order.open:
                twin.qty -= qty
            else:
                self._take_out(account, twin, "canceled")
        if order.status != "filled" or order.role != "entry":
            return
        for leg in order.legs:
            if not leg.open:
                continue
            if leg.type == "limit":
                leg.status = "accepted"
                self._waiting.append((account, leg))
            else:
                self._arm(account, leg)

    def _tell(self, account: Account, order: Order, event: str, fill: Fill | None = None) -> None:
        order.updated_ms = self.now_ms
        update = Update(
            event=event,
            order=order,
            execution_id=fill.id.partition("::")[2] if fill is not None else self.new_id(),
            ts_ms=self.now_ms,
            fill=fill,
            position_qty=account.held(order.instrument.symbol),
        )
        for sink in tuple(account.sinks):
            sink(update)

    def _activity_id(self, now_ms: int) -> str:
        at = dt.datetime.fromtimestamp(now_ms / 1_000, dt.UTC)
        return f"{at:%Y%m%d%H%M%S}{now_ms % 1_000:03d}::{self.new_id()}"
