"""What clients ask for: orders and changes of orders, checked as the venue checks them."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Final

from core.model.market import Side
from emulator.alpaca.hours import turns
from emulator.alpaca.trading.account import Account
from emulator.alpaca.trading.assets import Assets, Instrument
from emulator.alpaca.trading.desk import Desk
from emulator.alpaca.trading.orders import Order
from emulator.alpaca.trading.rules import (
    amount,
    bad,
    check_account,
    check_prices,
    check_room,
    check_rules,
    check_step,
    forbidden,
)
from emulator.alpaca.trading.wire import number
from emulator.wire.venue import Json

_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
_TYPES: Final = ("market", "limit", "stop", "stop_limit", "trailing_stop")
_TIFS: Final = ("day", "gtc", "opg", "cls", "ioc", "fok")
_CLASSES: Final = ("", "simple", "bracket", "oco", "oto")
_NINE: Final = Decimal("1e-9")
_ONE: Final = Decimal(1)
_PENNY: Final = Decimal("0.01")
_SHORT_MARKUP: Final = Decimal("1.03")
_LONGEST_ID: Final = 128
_NONE: Final = Decimal(0)


def order(desk: Desk, assets: Assets, account: Account, asked: Json) -> Order:
    """Return an order with its legs, checked and ready to be taken.

    Raises:
        Refusal: 403 or 422 in the venue's words.
    """
    if account.settings["suspend_trade"]:
        raise forbidden("new orders are rejected by user request")
    made = _simple(desk, assets, account, asked)
    order_class = str(asked.get("order_class") or "")
    if order_class not in _CLASSES:
        raise bad(f"invalid order_class: {order_class}", 40010001)
    if order_class in ("bracket", "oco", "oto"):
        _add_legs(desk, account, made, asked, order_class)
    elif asked.get("take_profit") or asked.get("stop_loss"):
        raise bad("order_class must be one of bracket, oco or oto with legs", 40010001)
    check_rules(made)
    check_account(account, made)
    return made


def _simple(desk: Desk, assets: Assets, account: Account, asked: Json) -> Order:
    instrument = _instrument(assets, str(asked.get("symbol") or ""))
    side = _SIDES.get(str(asked.get("side") or ""))
    if side is None:
        raise bad("side must be buy or sell", 40010001)
    kind, tif = str(asked.get("type") or ""), str(asked.get("time_in_force") or "")
    if kind not in _TYPES:
        raise bad(f"invalid order type: {kind}", 40010001)
    if tif not in _TIFS:
        raise bad(f"invalid time_in_force: {tif}", 40010001)
    client_id = _client_id(desk, account, asked)
    qty, notional = amount(asked, "qty"), amount(asked, "notional")
    if qty is None and notional is None:
        raise bad("qty or notional is required", 40010001)
    if qty is not None and notional is not None:
        raise bad("only one of qty or notional is accepted", 40010001)
    now_ms = desk.now_ms
    opening, closing = (int(at.timestamp() * 1_000) for at in turns(now_ms))
    coin = instrument.kind == "crypto"
    made = Order(
        id=desk.new_id(),
        client_id=client_id,
        instrument=instrument,
        side=side,
        type=kind,
        tif=tif,
        order_class=str(asked.get("order_class") or ""),
        qty=qty or _NONE,
        notional=notional,
        limit=amount(asked, "limit_price") or _target(asked),
        stop=amount(asked, "stop_price"),
        trail_price=amount(asked, "trail_price"),
        trail_percent=amount(asked, "trail_percent"),
        extended=asked.get("extended_hours") is True,
        status="pending_new" if coin else "accepted",
        created_ms=now_ms,
        updated_ms=now_ms,
        expires_ms=closing if tif == "day" else 0,
        waits_ms={"opg": opening, "cls": closing - 1_000}.get(tif, 0),
    )
    check_prices(made)
    made.reference = _reference(instrument, made)
    if notional is not None:
        if made.reference <= 0:
            raise bad("notional orders need a market that quotes")
        step = max(instrument.lot, _NINE) if coin else _NINE
        made.qty = (notional / made.reference).quantize(step, ROUND_DOWN)
    return made


def _target(asked: Json) -> Decimal | None:
    """Return the limit price of an OCO, which is its target's."""
    target = asked.get("take_profit")
    if asked.get("order_class") != "oco" or not isinstance(target, dict):
        return None
    return amount(target, "limit_price")


def _instrument(assets: Assets, symbol: str) -> Instrument:
    if not symbol:
        raise bad("symbol is required", 40010001)
    instrument = assets.find(symbol)
    if instrument is None or (instrument.shard is not None and not instrument.shard.listed):
        raise bad(f'asset "{symbol}" not found')
    if instrument.shard is not None and instrument.shard.halted:
        raise bad(f"asset {instrument.symbol} is halted")
    return instrument


def _client_id(desk: Desk, account: Account, asked: Json) -> str:
    client_id = str(asked.get("client_order_id") or "") or desk.new_id()
    if len(client_id) > _LONGEST_ID:
        raise bad("client_order_id must be no more than 128 characters", 40010001)
    if client_id in account.by_client:
        raise bad("client_order_id must be unique", 40010001)
    return client_id


def _reference(instrument: Instrument, made: Order) -> Decimal:
    """Return the price an order's cost is reckoned at."""
    buys = made.side is Side.BUY
    best = instrument.best(buys=True) or instrument.last
    if buys:
        return made.limit or made.stop or best
    return max(made.limit or made.stop or _NONE, best * _SHORT_MARKUP)


def _add_legs(desk: Desk, account: Account, made: Order, asked: Json, order_class: str) -> None:
    instrument = made.instrument
    if instrument.kind != "us_equity":
        what = "crypto" if instrument.kind == "crypto" else "options"
        raise bad(f"{what} orders not allowed for advanced order_class: {order_class}")
    target, stop = asked.get("take_profit") or {}, asked.get("stop_loss") or {}
    if not isinstance(target, dict) or not isinstance(stop, dict):
        raise bad("take_profit and stop_loss must be objects", 40010001)
    if made.tif not in ("day", "gtc"):
        raise bad(f"{order_class} orders must be DAY or GTC orders")
    profit, loss = amount(target, "limit_price"), amount(stop, "stop_price")
    loss_limit = amount(stop, "limit_price")
    for name, value in (
        ("take_profit.limit_price", profit),
        ("stop_loss.stop_price", loss),
        ("stop_loss.limit_price", loss_limit),
    ):
        if value is not None:
            check_step(instrument, name, value)
    _check_class(made, order_class, profit, loss)
    if order_class == "oco":
        made.role, made.type, made.limit = "target", "limit", profit or made.limit
        made.legs = [_leg(desk, made, "stop", made.side, loss_limit, loss)]
        return
    made.role = "entry"
    exit_side = made.side.opposite
    if profit is not None:
        made.legs.append(_leg(desk, made, "target", exit_side, profit, None))
    if loss is not None:
        made.legs = [*made.legs, _leg(desk, made, "stop", exit_side, loss_limit, loss)]


def _check_class(
    made: Order, order_class: str, profit: Decimal | None, loss: Decimal | None
) -> None:
    """Refuse legs a class lacks, or whose prices do not have the market between them."""
    if order_class in ("bracket", "oco"):
        if profit is None and not (order_class == "oco" and made.limit is not None):
            raise bad(f"{order_class} orders require take_profit.limit_price", 40010001)
        if loss is None:
            raise bad(f"{order_class} orders require stop_loss.stop_price", 40010001)
    elif (profit is None) == (loss is None):
        raise bad("oto orders require either take_profit or stop_loss", 40010001)
    if order_class == "oco" and made.type != "limit":
        raise bad("oco orders must be limit orders", 40010001)
    if order_class == "bracket" and made.type not in ("market", "limit"):
        raise bad("bracket orders must be market or limit orders", 40010001)
    # The sign of what the position gains by: rising prices for one that is bought.
    gains = made.side.sign if order_class != "oco" else -made.side.sign
    base = made.limit if made.limit is not None and order_class != "oco" else made.instrument.last
    if profit is not None and loss is not None and (profit - loss) * gains <= 0:
        than = ">" if gains > 0 else "<"
        raise bad(f"take_profit.limit_price must be {than} stop_loss.stop_price")
    if order_class != "oco":
        far = base - _PENNY * gains
        if loss is not None and (loss - far) * gains > 0:
            than, sign = ("<=", "-") if gains > 0 else (">=", "+")
            raise bad(
                f"stop_loss.stop_price must be {than} base_price {sign} 0.01",
                base_price=number(base),
            )
        near = base + _PENNY * gains
        if profit is not None and (profit - near) * gains < 0:
            than, sign = (">=", "+") if gains > 0 else ("<=", "-")
            raise bad(
                f"take_profit.limit_price must be {than} base_price {sign} 0.01",
                base_price=number(base),
            )


def _leg(
    desk: Desk, parent: Order, role: str, side: Side, limit: Decimal | None, stop: Decimal | None
) -> Order:
    triggered = "stop" if limit is None else "stop_limit"
    kind = "limit" if stop is None else triggered
    return Order(
        id=desk.new_id(),
        client_id=desk.new_id(),
        instrument=parent.instrument,
        side=side,
        type=kind,
        tif=parent.tif,
        order_class=parent.order_class,
        qty=parent.qty,
        limit=limit,
        stop=stop,
        opens=False,
        status="held",
        role=role,
        parent=parent,
        created_ms=parent.created_ms,
        updated_ms=parent.created_ms,
        expires_ms=parent.expires_ms,
        reference=limit or stop or _NONE,
    )


def change(desk: Desk, account: Account, old: Order, asked: Json) -> Order:
    """Return the order that is to stand in the place of one that rests or waits.

    What the old one has filled stays its own; the new one is for the rest.

    Raises:
        Refusal: 403 or 422 in the venue's words.
    """
    if not old.open:
        raise bad(f'order is already in "{old.status}" state')
    if old.notional is not None:
        raise bad("notional orders cannot be replaced")
    qty = amount(asked, "qty") or old.qty
    if old.instrument.kind != "crypto" and qty % _ONE:
        raise bad("qty must be integer", 40010001)
    if old.role in ("target", "stop") and qty != old.qty:
        raise bad("qty of the legs of advanced orders cannot be replaced")
    if qty <= old.filled_qty:
        raise bad("qty must be > filled_qty", 40010001)
    tif = str(asked.get("time_in_force") or old.tif)
    if tif not in _TIFS:
        raise bad(f"invalid time_in_force: {tif}", 40010001)
    client_id = _client_id(desk, account, asked)
    trail = amount(asked, "trail")
    now_ms = desk.now_ms
    made = Order(
        id=desk.new_id(),
        client_id=client_id,
        instrument=old.instrument,
        side=old.side,
        type=old.type,
        tif=tif,
        order_class=old.order_class,
        qty=qty - old.filled_qty,
        limit=amount(asked, "limit_price") or old.limit,
        stop=amount(asked, "stop_price") or (None if old.type == "trailing_stop" else old.stop),
        trail_price=trail if trail and old.trail_price is not None else old.trail_price,
        trail_percent=trail if trail and old.trail_percent is not None else old.trail_percent,
        extended=old.extended,
        opens=old.opens,
        status="accepted",
        created_ms=now_ms,
        updated_ms=now_ms,
        expires_ms=old.expires_ms if tif == old.tif else 0,
        waits_ms=old.waits_ms,
    )
    if tif == "day" and not made.expires_ms:
        made.expires_ms = int(turns(now_ms)[1].timestamp() * 1_000)
    check_prices(made)
    check_rules(made)
    made.reference = _reference(made.instrument, made)
    check_room(account, old, made)
    return made
