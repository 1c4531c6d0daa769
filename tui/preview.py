"""A ticket's fields understood, and what they mean in words.

What an order would cost and risk the engine works out (`PreviewOrder`); here is only what can be
said at once: what cannot be read, and where a price stands in the market.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from core.model.amounts import Amount, Unit, parse_amount
from core.model.errors import ConfigError
from core.model.grammar import OrderLine, parse_number, parse_time, time_text
from core.model.ids import VenueName
from core.model.inspection import OrderPreview
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import Side
from core.model.orders import PositionSide, TimeInForce, TriggerBy
from core.model.views import BookView
from link.replica import Replica

SideName: TypeAlias = Literal["buy", "sell"]
TypeName: TypeAlias = Literal[
    "limit", "market", "stop", "stop limit", "tp", "tp limit", "trail", "oco"
]
TYPES: Final[tuple[TypeName, ...]] = (
    "limit", "market", "stop", "stop limit", "tp", "tp limit", "trail", "oco",
)  # fmt: skip
LIMITED: Final = frozenset({"limit", "stop limit", "tp limit"})
WAITING: Final = frozenset({"stop", "stop limit", "tp", "tp limit", "trail"})
WITH_EXITS: Final = frozenset({"limit", "market", "stop", "stop limit", "oco"})
LIVES: Final = ("gtc", "post", "ioc", "fok", "day", "day ext", "gtd", "post gtd")
T = TypeVar("T")


class TicketText(Struct, frozen=True):
    """A ticket's fields as typed; what the type has no use for is not looked at."""

    side: SideName
    type: str = "limit"
    size: str = ""
    price: str = ""
    trigger: str = ""
    """Of a trailing stop its distance, such as 500 or 2%."""
    by: str = "last"
    stop: str = ""
    """Of the exit: ``63000``, ``63000/62900`` or ``trail 2%``."""
    target: str = ""
    lives: str = "gtc"
    until: str = ""
    reduce_only: bool = False
    show: str = ""
    position_side: str = "net"
    account: str = ""


class Draft(Struct, frozen=True):
    """A ticket's fields as understood; `errors` by field, empty when it may be sent."""

    line: OrderLine
    oco: bool = False
    errors: dict[str, str] = field(default_factory=dict)


def read(text: TicketText, instrument: Instrument) -> Draft:
    """Understand a ticket; what cannot be understood becomes an error, never a default."""
    errors: dict[str, str] = {}

    def take(what: str, reader: Callable[[], T]) -> T | None:
        try:
            return reader()
        except ConfigError as error:
            errors[what] = str(error)
            return None

    amount = take("size", lambda: _amount(text.size, instrument))
    fields: dict[str, Any] = {"market": text.type == "market"}
    if text.type in LIMITED:
        fields["price"] = take("price", lambda: _price(text.price, "price", instrument))
    if text.type in WAITING:
        fields |= take("trigger", lambda: _trigger(text, instrument)) or {}
    if text.type in WITH_EXITS:
        fields |= take("stop", lambda: _stop(text.stop, instrument)) or {}
        if text.target.strip():
            fields["target_price"] = take(
                "target", lambda: _price(text.target, "target", instrument)
            )
    fields |= take("lives", lambda: _life(text)) or {}
    if text.show.strip():
        fields["display_size"] = take("show", lambda: parse_number(text.show, "show"))
    line = OrderLine(
        side=Side(text.side),
        amount=amount or Amount(value=Decimal(0)),
        instrument=instrument.id,
        trigger_by=TriggerBy(text.by),
        reduce_only=text.reduce_only,
        position_side=PositionSide(text.position_side),
        account=VenueName(text.account.strip()) if text.account.strip() else None,
        **fields,
    )
    _together(text, line, errors)
    return Draft(line, text.type == "oco", errors)


def _together(text: TicketText, line: OrderLine, errors: dict[str, str]) -> None:
    """Note what does not go together."""
    if text.type == "oco":
        for name, price in (("stop", line.stop_price), ("target", line.target_price)):
            if price is None:
                errors.setdefault(name, "an OCO needs the price of both its exits")
    if line.bracket and line.reduce_only and text.type != "oco":
        errors.setdefault("reduce", "an order with exits opens a position; take one away")
    if line.bracket and line.display_size is not None:
        errors.setdefault("show", "a bracket's entry shows its whole size")
    if line.display_size is not None and line.price is None:
        errors.setdefault("show", "only an order with a price rests in the book")
    if line.amount.unit is Unit.RISK and line.stop_price is None and not line.bracket:
        errors.setdefault("size", "what may be lost needs a stop below")
    way = line.side.sign
    if line.price is not None and line.bracket:
        if line.stop_price is not None and (line.price - line.stop_price) * way <= 0:
            errors.setdefault("stop", f"must be {_side_of(-way)} the price")
        if line.target_price is not None and (line.target_price - line.price) * way <= 0:
            errors.setdefault("target", f"must be {_side_of(way)} the price")


def _side_of(way: int) -> str:
    return "above" if way > 0 else "below"


def _amount(text: str, instrument: Instrument) -> Amount:
    amount = parse_amount(text)
    if amount.unit is not Unit.QUANTITY:
        return amount
    size = instrument.size(instrument.lots(amount.value))
    if size < instrument.min_size:
        raise ConfigError(f"size must be at least {instrument.min_size}, was {amount.value}")
    return replace(amount, value=size)


def _price(text: str, what: str, instrument: Instrument) -> Decimal:
    return instrument.price(instrument.ticks(parse_number(text, what)))


def _distance(text: str, what: str, prefix: str = "") -> dict[str, Any]:
    if not text.endswith("%"):
        return {f"{prefix}trail": parse_number(text, what)}
    share = parse_number(text[:-1], what)
    if share >= 100:
        raise ConfigError(f"{what} must be below 100%, was {text!r}")
    return {f"{prefix}trail_pct": share}


def _trigger(text: TicketText, instrument: Instrument) -> dict[str, Any]:
    if text.type == "trail":
        return {"waits": "trail", **_distance(text.trigger.strip(), "trail")}
    waits = text.type.partition(" ")[0]
    return {"waits": waits, "trigger_price": _price(text.trigger, "trigger", instrument)}


def _stop(text: str, instrument: Instrument) -> dict[str, Any]:
    words = text.strip().lower()
    if not words:
        return {}
    if words.startswith("trail"):
        return _distance(words.removeprefix("trail").strip(), "stop's trail", "stop_")
    trigger, slash, limit = words.partition("/")
    fields: dict[str, Any] = {"stop_price": _price(trigger, "stop", instrument)}
    if slash:
        fields["stop_limit"] = _price(limit, "stop's limit", instrument)
    return fields


def _life(text: TicketText) -> dict[str, Any]:
    if text.lives in ("post", "post gtd") and text.type not in LIMITED:
        raise ConfigError(f"a {text.type} order never rests, so it cannot be post-only")
    if text.lives == "post":
        return {"post_only": True}
    if text.lives.endswith("gtd"):
        end = parse_time(text.until.strip(), "until")
        post = text.lives.startswith("post")
        return {"time_in_force": TimeInForce.GTD, "expire_ns": end, "post_only": post}
    if text.lives == "day ext":
        return {"time_in_force": TimeInForce.DAY, "extended_hours": True}
    return {"time_in_force": TimeInForce(text.lives)}


def lives_of(instrument: Instrument, chosen: str) -> tuple[str, ...]:
    """Return how long an order may live; only shares have hours to trade outside of.

    What is chosen already stays, so that nothing a person typed is dropped without a word.
    """
    shares = instrument.kind is InstrumentKind.STOCK
    return tuple(word for word in LIVES if word != "day ext" or shares or chosen == word)


# -- words -----------------------------------------------------------------------------------


def place_words(draft: Draft, instrument: Instrument, replica: Replica) -> str:
    """Say where an order's price stands in the market."""
    price = draft.line.price
    if price is None:
        return ""
    quote = replica.quotes.get(instrument.id)
    words = []
    if quote is not None and quote.last_ticks:
        apart = price - instrument.price(quote.last_ticks)
        if apart:
            words.append(f"{abs(apart):,f} {'above' if apart > 0 else 'below'} last")
        else:
            words.append("at last")
    book = replica.book
    if book is not None and book.instrument_id == instrument.id and not draft.line.waits:
        words.append(_queue(draft.line, price, instrument, book))
    return "   ".join(word for word in words if word)


def _queue(line: OrderLine, price: Decimal, instrument: Instrument, book: BookView) -> str:
    ticks, sign = instrument.ticks(price), line.side.sign
    own, other = (book.bids, book.asks) if line.side is Side.BUY else (book.asks, book.bids)
    if other and (ticks - other[0][0]) * sign >= 0:
        return "crosses the spread" if not line.post_only else "crosses: post-only would refuse"
    ahead = sum(lots for level, lots in own if level == ticks)
    if ahead:
        return f"queue ahead ~{instrument.size(ahead):f}"
    if own and (ticks - own[0][0]) * sign > 0:
        return "new best price"
    return "" if own and (ticks - own[-1][0]) * sign < 0 else "first at its price"


class Said(Struct, frozen=True):
    """What the engine worked out, one line of words per field."""

    size: str = ""
    stop: str = ""
    target: str = ""
    cost: str = ""
    after: str = ""


def preview_words(found: OrderPreview, draft: Draft, instrument: Instrument) -> Said:
    """Put what the engine worked out into words."""
    coin = "contracts" if instrument.derivative else instrument.base
    exact = draft.line.amount.unit is Unit.QUANTITY
    cost = f"{found.cost:,.2f} {found.asset}"
    if found.price_from not in ("price", "trigger"):
        cost += f" @ ~{found.price:,f}"
    if found.of_equity_pct is not None:
        cost += f"   {found.of_equity_pct:f} % of equity"
    cost += f"   fee ~{found.fee:,.2f} ({found.fee_bps.normalize():f} bp)"
    if found.margin is not None:
        cost += f"   margin {found.margin:,.2f}"
    if found.maintenance is not None and found.position:
        cost += f"   maintenance {found.maintenance:,.2f}"
    risk = reward = ""
    if found.risk is not None:
        share = f"   {found.risk_pct:f} %" if found.risk_pct is not None else ""
        risk = f"risk {found.risk:,.2f}{share}"
    if found.reward is not None:
        reward = f"reward {found.reward:,.2f}"
        if found.risk:
            reward += f"   {found.reward / found.risk:.2f} : 1"
    after = _held(found, coin)
    if found.liquidation_price is not None:
        after += f"   closed by force at ~{found.liquidation_price:,f}"
    if found.realised:
        after += f"   realises {found.realised:+,.2f}"
    return Said(
        size="" if exact else f"= {found.size:f} {coin}",
        stop=risk,
        target=reward,
        cost=cost,
        after="   ".join([after, *found.notes, *_source(found)]),
    )


def _source(found: OrderPreview) -> list[str]:
    words = [f"fee: {found.fee_from}"] if found.fee_from else []
    if found.maintenance_from and found.position:
        words.append(f"maintenance: {found.maintenance_from}")
    return words


def _held(found: OrderPreview, coin: str) -> str:
    if not found.position:
        return "flat"
    way = "long" if found.position > 0 else "short"
    words = f"{way} {abs(found.position).normalize():f} {coin}"
    if found.average_price is not None:
        words += f" @ {found.average_price:,.2f}"
    return words


def in_unit(unit: Unit, found: OrderPreview) -> str:
    """Return the present size said in another unit, as it is typed."""
    match unit:
        case Unit.QUANTITY:
            return f"{found.size:f}"
        case Unit.NOTIONAL:
            return f"${found.cost:.2f}"
        case Unit.EQUITY:
            return f"{found.of_equity_pct:f}%" if found.of_equity_pct else "10%"
        case _:
            return f"r{found.risk_pct:f}%" if found.risk_pct else "r1%"


def as_typed(line: OrderLine) -> TicketText:
    """Return a ticket's fields for an order line."""
    kind = line.type.value.replace("_", " ").replace("take profit", "tp")
    if line.waits == "trail":
        kind = "trail"
    elif line.price is None and not line.market and not line.waits:
        # The price is still to be said, which a ticket is for.
        kind = "limit"
    trigger = _number(line.trigger_price)
    if line.waits == "trail":
        trigger = f"{line.trail_pct:f}%" if line.trail_pct is not None else _number(line.trail)
    stop = _number(line.stop_price)
    if line.stop_limit is not None:
        stop += f"/{line.stop_limit:f}"
    if line.stop_trail is not None or line.stop_trail_pct is not None:
        share = line.stop_trail_pct
        stop = f"trail {share:f}%" if share is not None else f"trail {line.stop_trail:f}"
    lives = line.time_in_force.value
    if line.post_only:
        lives = "post gtd" if lives == "gtd" else "post"
    if line.extended_hours:
        lives = "day ext"
    return TicketText(
        side=line.side.value,
        type=kind,
        size=line.amount.text,
        price=_number(line.price),
        trigger=trigger,
        by=line.trigger_by.value,
        stop=stop,
        target=_number(line.target_price),
        lives=lives,
        until=time_text(line.expire_ns) if line.expire_ns else "",
        reduce_only=line.reduce_only,
        show=_number(line.display_size),
        position_side=line.position_side.value,
        account=line.account or "",
    )


def _number(value: Decimal | None) -> str:
    return f"{value:f}" if value is not None else ""
