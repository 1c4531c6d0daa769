"""What an order would come to: its size from an amount, cost, fee, margin, risk, position after."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, NamedTuple, TypeAlias

from core.engine.digest import book_view
from core.engine.kernel import Kernel
from core.model import commands as c
from core.model.amounts import Amount, Unit, parse_amount
from core.model.errors import ConfigError, TemporaryError
from core.model.fees import fee_rates, option_fee
from core.model.ids import OriginKind, VenueName
from core.model.inspection import OrderPreview
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import OrderType
from core.model.tiers import MarginTiers, tiers_of
from core.trading.crossed import Kept, kept_behind
from core.trading.net import Net
from core.trading.risk import PAPER

_HUNDRED: Final = Decimal(100)
_TEN_THOUSAND: Final = Decimal(10_000)
_DEPTH: Final = 200
"""Levels of the book a market order is walked through."""
_CENT: Final = Decimal("0.01")
_From: TypeAlias = Literal["price", "trigger", "book", "best price"]


class _Where(NamedTuple):
    """Where an order would trade."""

    price: Decimal
    source: _From
    note: str = ""


def preview(kernel: Kernel, ask: c.PreviewOrder, _: OriginKind) -> OrderPreview:
    """Work out what an order would come to now.

    Raises:
        ConfigError: The amount cannot be read, or says nothing here; names what is missing.
        TemporaryError: No price is known yet.
    """
    item = kernel.listing.instrument(ask.instrument)
    amount = parse_amount(ask.amount)
    known = _known_price(ask)
    first = _Where(*known) if known is not None else _touch(kernel, item, ask.side)
    stop = _stop(ask, first.price)
    size = _size(kernel, item, ask, amount, first.price, stop)
    where = first
    if first.source == "best price" and size:
        where = _through_book(kernel, item, ask.side, size, first)
    return _Sums(kernel, item, ask, amount, size, where, stop).preview()


def _known_price(ask: c.PreviewOrder) -> tuple[Decimal, _From] | None:
    if ask.type.limited:
        if ask.price is None:
            raise ConfigError(f"preview_order.price: a {ask.type} order needs a price, was None")
        return ask.price, "price"
    if ask.type in (OrderType.STOP, OrderType.TAKE_PROFIT):
        if ask.trigger_price is None:
            raise ConfigError(
                f"preview_order.trigger_price: a {ask.type} order needs one, was None"
            )
        return ask.trigger_price, "trigger"
    return None


def _touch(kernel: Kernel, item: Instrument, side: Side) -> _Where:
    top = kernel.market.top(item.id)
    if top is None:
        raise TemporaryError(f"no price of {item.id} is known yet; look at it first, or give one")
    return _Where(item.price(top[1] if side is Side.BUY else top[0]), "best price")


def _through_book(
    kernel: Kernel, item: Instrument, side: Side, size: Decimal, first: _Where
) -> _Where:
    """Return what a market order would pay on average, as far as the book reaches."""
    if not kernel.market.trusted(item.id):
        return first._replace(note="the book is not to be trusted now: last known best price")
    book = book_view(kernel.market, item.id, _DEPTH)
    left = wanted = item.floor_lots(size)
    paid = 0
    for ticks, lots in book.asks if side is Side.BUY else book.bids:
        taken = min(left, lots)
        paid, left = paid + taken * ticks, left - taken
        if not left:
            return _Where(item.price_tick * paid / wanted, "book")
    if not wanted or left == wanted:
        return first
    price = item.price_tick * paid / (wanted - left)
    return _Where(price, "book", "the book known here does not hold as much: it may cost more")


def _stop(ask: c.PreviewOrder, price: Decimal) -> Decimal | None:
    """Return where the stop would be, a trailing one at first."""
    away = ask.stop_trail
    if ask.stop_trail_pct is not None:
        away = price * ask.stop_trail_pct / _HUNDRED
    stop = ask.stop_price
    if stop is None and away is not None:
        stop = price - away * ask.side.sign
    if stop is not None and (price - stop) * ask.side.sign <= 0:
        where = "below" if ask.side is Side.BUY else "above"
        raise ConfigError(
            f"the stop of a {ask.side} must be {where} its price {price:f}, was {stop:f}"
        )
    return stop


def _size(
    kernel: Kernel,
    item: Instrument,
    ask: c.PreviewOrder,
    amount: Amount,
    price: Decimal,
    stop: Decimal | None,
) -> Decimal:
    """Return the whole lots an amount comes to."""
    if amount.unit is Unit.QUANTITY:
        return item.size(item.lots(amount.value))
    one = item.contract_size if item.derivative else Decimal(1)
    per_unit = one if item.inverse else one * price
    match amount.unit:
        case Unit.NOTIONAL:
            wanted = amount.value
        case Unit.EQUITY:
            wanted = _share(kernel, amount) / _rate(kernel, item.quote)
        case _:
            if stop is None:
                raise ConfigError(f"{amount.text}: what may be lost needs a stop; give its price")
            wanted = _share(kernel, amount) / _rate(kernel, item.pays_in)
            per_unit = abs(gain(item, Decimal(ask.side.sign), price, stop))
    size = item.size(item.floor_lots(wanted / per_unit))
    if item.max_size and size > item.max_size:
        size = item.size(item.floor_lots(item.max_size))
    if size < item.min_size or not size:
        least = max(item.min_size, item.size_lot)
        raise ConfigError(
            f"{amount.text} comes to {wanted / per_unit:.8f} {item.base}, less than the least "
            f"size {least:f}"
        )
    return size


def _share(kernel: Kernel, amount: Amount) -> Decimal:
    equity = kernel.desk.equity()
    if equity <= 0:
        raise ConfigError(f"{amount.text}: the equity is {equity:.2f}; give a size instead")
    return equity * amount.value / _HUNDRED


def _rate(kernel: Kernel, asset: str) -> Decimal:
    account = kernel.desk.books.account
    rate = account.rate(asset)
    if not rate:
        raise ConfigError(
            f"what 1 {asset} is worth in {account.equity_asset} is not known; give a size instead"
        )
    return rate


def gain(item: Instrument, size: Decimal, entry: Decimal, exit_: Decimal) -> Decimal:
    """Return what a signed size gains between two prices, in the asset it pays in."""
    net = Net(item)
    net.adopt(size, entry)
    return net.unrealised(exit_)


class _Sums:
    """The sums of one order whose size and price are known."""

    def __init__(
        self,
        kernel: Kernel,
        item: Instrument,
        ask: c.PreviewOrder,
        amount: Amount,
        size: Decimal,
        where: _Where,
        stop: Decimal | None,
    ) -> None:
        self._kernel, self._item, self._ask = kernel, item, ask
        self._amount, self._size, self._where, self._stop = amount, size, where, stop
        self._signed = size * ask.side.sign
        self._account = kernel.desk.books.account
        self._notes = [where.note] if where.note else []

    def preview(self) -> OrderPreview:
        item, ask, where = self._item, self._ask, self._where
        held = self._account.position(item.id, ask.position_side, ask.account)
        after = Net(item)
        if held.size and held.average_price is not None:
            after.adopt(held.size, held.average_price)
        realised = after.trade(self._signed, where.price) if self._size else Decimal(0)
        cost = after.worth(self._size, where.price)
        settings = self._kernel.settings
        rates = fee_rates(item, settings.paper, settings.feeds)
        rate = rates.maker if self._rests() else rates.taker
        risk = self._lost()
        leverage = held.leverage or self._simulated_leverage()
        fee = self._fee(cost, rate)
        kept = self._kept(held.venue, after, fee - realised)
        return OrderPreview(
            size=self._size,
            price=_rounded(item, where.price),
            price_from=where.source,
            asset=item.pays_in,
            cost=cost,
            of_equity_pct=self._of_equity(cost),
            fee=fee,
            fee_bps=rate * _TEN_THOUSAND,
            fee_from=rates.source,
            margin=self._margin(cost, leverage),
            leverage=leverage,
            maintenance=kept.maintenance if kept is not None else None,
            maintenance_from=self._kept_words(after) if kept is not None else "",
            liquidation_price=kept.price if kept is not None else None,
            position=after.size,
            average_price=after.average(),
            realised=realised,
            stop=self._stop,
            risk=risk,
            risk_pct=self._of_equity(risk) if risk is not None else None,
            reward=self._won(),
            notes=tuple(self._notes),
        )

    def _fee(self, cost: Decimal, rate: Decimal) -> Decimal:
        if self._item.kind is not InstrumentKind.OPTION:
            return cost * rate
        known = self._kernel.market.reference(self._item.id)
        index = known.index if known is not None else None
        return option_fee(self._item, cost, self._size, rate, index)

    def _simulated_leverage(self) -> Decimal | None:
        """Return what paper trading has contracts at, None elsewhere: the venue must say."""
        settings, most = self._kernel.settings, self._item.max_leverage
        if settings.mode != "paper" or not self._item.derivative:
            return None
        return min(settings.paper.leverage, most) if most else settings.paper.leverage

    def _tiers(self, item: Instrument) -> MarginTiers | None:
        """Return what margin a contract needs by its size, None where nobody said."""
        settings = self._kernel.settings
        if settings.mode == "paper":
            return tiers_of(item, settings.paper, settings.feeds, self._account.tiers)
        return self._account.tiers.of(item.id)

    def _kept(self, venue: VenueName | None, after: Net, spent: Decimal) -> Kept | None:
        """Return what must stay behind the position after the order, and where it would end."""
        if not self._item.derivative:
            return None
        account = venue or self._ask.account or self._account_of(self._item)
        if account is None:
            return None
        side = self._ask.position_side
        return kept_behind(self._account, account, self._item, side, after, self._tiers, spent)

    def _account_of(self, item: Instrument) -> VenueName | None:
        """Return the account that orders go to where none is named, None: there is none."""
        there = [view.venue for view in self._kernel.desk.venues()]
        if item.venue in there:
            return item.venue
        tables = self._kernel.settings.venues
        for name in there:
            table = tables.get(name)
            if table is not None and (table.market or table.kind or name) == item.venue:
                return name
        return PAPER if PAPER in there else None

    def _kept_words(self, after: Net) -> str:
        tiers, mark = self._tiers(self._item), self._account.mark(self._item)
        if tiers is None or not mark:
            return ""
        size = abs(after.size)
        return tiers.words(size, after.worth(size, mark), self._kernel.clock.now_ns())

    def _rests(self) -> bool:
        """Return whether it would wait in the book."""
        if self._ask.post_only:
            return True
        top = self._kernel.market.top(self._item.id)
        if self._ask.type is not OrderType.LIMIT or top is None or self._ask.price is None:
            return False
        other = self._item.price(top[1] if self._ask.side is Side.BUY else top[0])
        return (other - self._ask.price) * self._ask.side.sign > 0

    def _margin(self, cost: Decimal, leverage: Decimal | None) -> Decimal | None:
        if not self._item.derivative:
            return None
        if not leverage:
            self._notes.append("margin: the venue has not stated the account's leverage here")
            return None
        return cost / leverage

    def _of_equity(self, amount: Decimal) -> Decimal | None:
        rate, equity = self._account.rate(self._item.pays_in), self._account.equity()
        if not rate or equity <= 0:
            return None
        return (amount * rate / equity * _HUNDRED).quantize(_CENT)

    def _lost(self) -> Decimal | None:
        if self._stop is None or not self._size:
            return None
        return -gain(self._item, self._signed, self._where.price, self._stop)

    def _won(self) -> Decimal | None:
        target = self._ask.target_price
        if target is None or not self._size:
            return None
        return gain(self._item, self._signed, self._where.price, target)


def _rounded(item: Instrument, price: Decimal) -> Decimal:
    """Return a price with two decimals more than a tick has: averages lie between ticks."""
    return price.quantize(Decimal(1).scaleb(-item.price_decimals - 2))
