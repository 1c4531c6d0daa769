"""The order line people type, the same in the shell and in the terminal.

::

    b|buy|s|sell  SIZE  [INSTRUMENT]  [@PRICE | market]  [post] [reduce] [long|short]
        [gtc|ioc|fok|day|gtd 2026-12-01T12:00]  [show 0.1]  [acct NAME]
        [stop 63000 | tp 66000 | trail 500 | trail 2%]          what it waits for
        [sl 63000 | sl 63000/62900 | sl trail 2%]  [tp 67000 | target 67000]   its exits
        [by mark|index|last]

``sl`` makes the line a bracket, and ``tp`` beside it is the target; ``tp`` alone is what the order
waits for, and ``target`` always means an exit. Sizes are written as in `core.model.amounts`, times
are UTC. Nothing is guessed: a word that cannot be read is an error naming it, never a default.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import msgspec

from core.model.amounts import Amount, Unit, parse_amount, parse_number
from core.model.errors import ConfigError, did_you_mean
from core.model.ids import InstrumentId, VenueName
from core.model.market import Side
from core.model.orders import OrderType, PositionSide, TimeInForce, TriggerBy

__all__ = [
    "SIDES",
    "WORDS",
    "OrderLine",
    "parse_number",
    "parse_order",
    "parse_time",
    "time_text",
    "words_of",
]

SIDES: Final = {"b": Side.BUY, "buy": Side.BUY, "s": Side.SELL, "sell": Side.SELL}
_VALUED: Final = {
    "stop": "the trigger price",
    "tp": "the price",
    "target": "the price",
    "trail": "the distance, such as 500 or 2%",
    "sl": "the trigger price",
    "by": "mark, index or last",
    "gtd": "a time such as 2026-12-01T12:00 (UTC)",
    "show": "the size the book shows",
    "acct": "the name of an account",
}
"""Words that say what the next word is."""
_TIMES: Final = ("gtc", "ioc", "fok", "day")
_PLAIN: Final = ("market", "limit", "post", "ext", "reduce", "long", "short")
WORDS: Final = (*_PLAIN, *_TIMES, *_VALUED)
_NS: Final = 1_000_000_000

Wait: TypeAlias = Literal["", "stop", "tp", "trail"]


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """An order as typed."""

    side: Side
    amount: Amount
    instrument: InstrumentId
    price: Decimal | None = None
    """None: a market order when `market`, else still to be said."""
    market: bool = False
    waits: Wait = ""
    """What makes it conditional; `trigger_price`, or for a trail one of the two distances."""
    trigger_price: Decimal | None = None
    trail: Decimal | None = None
    trail_pct: Decimal | None = None
    trigger_by: TriggerBy = TriggerBy.LAST
    time_in_force: TimeInForce = TimeInForce.GTC
    expire_ns: int = 0
    post_only: bool = False
    extended_hours: bool = False
    reduce_only: bool = False
    display_size: Decimal | None = None
    position_side: PositionSide = PositionSide.NET
    account: VenueName | None = None
    stop_price: Decimal | None = None
    """Trigger of the stop that follows its fills."""
    stop_limit: Decimal | None = None
    stop_trail: Decimal | None = None
    stop_trail_pct: Decimal | None = None
    target_price: Decimal | None = None

    @property
    def type(self) -> OrderType:
        """What kind of order the words make."""
        if self.waits == "trail":
            return OrderType.TRAILING_STOP
        if self.waits == "stop":
            return OrderType.STOP if self.price is None else OrderType.STOP_LIMIT
        if self.waits == "tp":
            return OrderType.TAKE_PROFIT if self.price is None else OrderType.TAKE_PROFIT_LIMIT
        return OrderType.MARKET if self.price is None else OrderType.LIMIT

    @property
    def bracket(self) -> bool:
        """Whether exits follow it."""
        exits = (self.stop_price, self.stop_trail, self.stop_trail_pct, self.target_price)
        return any(item is not None for item in exits)


def parse_order(
    words: Sequence[str],
    resolve: Callable[[str], InstrumentId | None],
    *,
    focus: InstrumentId | None = None,
    known: Collection[InstrumentId] = (),
) -> OrderLine:
    """Parse an order line's words.

    Args:
        words: The line split at blanks, the side first.
        resolve: Returns the instrument a word names, None when it names none.
        focus: The instrument meant when none is named.
        known: Instruments whose symbols are suggested for a word that cannot be read.

    Raises:
        ConfigError: A word is missing or not understood; names the word and what was expected.
    """
    side = SIDES.get(words[0].lower()) if words else None
    if side is None:
        raise ConfigError(f"side must be buy or sell, was {words[0] if words else ''!r}")
    if len(words) < 2:
        raise ConfigError(f"{side.value} what? such as: {side.value} 0.5 BTC-USDT @64250 post gtc")
    said = _Said(resolve, known)
    amount = parse_amount(words[1])
    said.read(iter(words[2:]))
    said.check_together(amount)
    instrument = said.instrument or focus
    if instrument is None:
        raise ConfigError("no instrument; name one, such as BTC-USDT")
    line = OrderLine(side=side, amount=amount, instrument=instrument, **said.fields)
    _check_target(line)
    return line


class _Said:
    """The words of one line as they are read."""

    def __init__(
        self, resolve: Callable[[str], InstrumentId | None], known: Collection[InstrumentId]
    ) -> None:
        self._resolve = resolve
        self._known = known
        self.words: dict[str, str] = {}
        """What was said, by kind; each kind once."""
        self.fields: dict[str, Any] = {}
        self.instrument: InstrumentId | None = None

    def read(self, words: Iterator[str]) -> None:
        for word in words:
            low = word.lower()
            kind = _kind(low)
            found = self._resolve(word) if kind == "instrument" else None
            if kind == "instrument" and found is None:
                raise ConfigError(_unreadable(word, self._known))
            self._once(kind, low, word)
            if found is not None:
                self.instrument = found
            elif low in _VALUED:
                self._valued(low, words)
            elif word.startswith("@"):
                self.fields["price"] = parse_number(word[1:], "price")
            else:
                self._plain(low)

    def _once(self, kind: str, low: str, word: str) -> None:
        if kind in self.words:
            raise ConfigError(f"{word!r}: {kind} is given twice")
        self.words[kind] = low

    def _plain(self, low: str) -> None:
        match low:
            case "market" | "mkt":
                self.fields["market"] = True
            case "post":
                self.fields["post_only"] = True
            case "ext":
                self.fields["extended_hours"] = True
            case "reduce":
                self.fields["reduce_only"] = True
            case "long" | "short":
                self.fields["position_side"] = PositionSide(low)
            case "gtc" | "ioc" | "fok" | "day":
                self.fields["time_in_force"] = TimeInForce(low)

    def _valued(self, low: str, words: Iterator[str]) -> None:
        value = next(words, None)
        if value is None:
            raise ConfigError(f"{low!r}: {_VALUED[low]} must follow")
        match low:
            case "stop" | "tp" | "target":
                self.fields[f"_{low}"] = parse_number(value, low)
            case "trail":
                self._distance(value, low, "")
            case "sl":
                self._stop(value, words)
            case "by":
                if value.lower() not in TriggerBy.__members__.values():
                    raise ConfigError(f"by must be mark, index or last, was {value!r}")
                self.fields["trigger_by"] = TriggerBy(value.lower())
            case "gtd":
                self.fields["time_in_force"] = TimeInForce.GTD
                self.fields["expire_ns"] = parse_time(value, low)
            case "show":
                self.fields["display_size"] = parse_number(value, low)
            case _:
                self.fields["account"] = VenueName(value)

    def _stop(self, value: str, words: Iterator[str]) -> None:
        if value.lower() == "trail":
            distance = next(words, None)
            if distance is None:
                raise ConfigError(f"'sl trail': {_VALUED['trail']} must follow")
            self._distance(distance, "sl trail", "stop_")
            return
        trigger, slash, limit = value.partition("/")
        self.fields["stop_price"] = parse_number(trigger, "sl")
        if slash:
            self.fields["stop_limit"] = parse_number(limit, "sl's limit")

    def _distance(self, value: str, what: str, prefix: str) -> None:
        if value.endswith("%"):
            share = parse_number(value[:-1], what)
            if share >= 100:
                raise ConfigError(f"{what} must be below 100%, was {value!r}")
            self.fields[f"{prefix}trail_pct"] = share
        else:
            self.fields[f"{prefix}trail"] = parse_number(value, what)

    def check_together(self, amount: Amount) -> None:
        """Give the words that mean something only with others their meaning, or refuse them."""
        words, fields = self.words, self.fields
        stop, tp, target = (fields.pop(f"_{name}", None) for name in ("stop", "tp", "target"))
        if target is not None and tp is not None:
            raise ConfigError("'target': the target is given twice, as tp and as target")
        if "sl" in words and tp is not None:
            target, tp = tp, None
        waits = [name for name, there in (("stop", stop), ("tp", tp)) if there is not None]
        waits += ["trail"] if "trail" in words else []
        if len(waits) > 1:
            raise ConfigError(
                f"{waits[1]!r}: an order waits for one thing, and {waits[0]} is given already; "
                "exits are written sl 63000 tp 67000"
            )
        if waits:
            fields["waits"] = waits[0]
            fields["trigger_price"] = stop if stop is not None else tp
        if target is not None:
            fields["target_price"] = target
        self._refuse(amount, waits, exits="sl" in words or target is not None)

    def _refuse(self, amount: Amount, waits: Sequence[str], *, exits: bool) -> None:
        words, fields = self.words, self.fields
        rests = "price" in fields
        if "post" in words and not rests and fields.get("market"):
            raise ConfigError("a market order cannot be post-only; drop 'post' or give a price")
        if "post" in words and words.get("time in force") in ("ioc", "fok"):
            raise ConfigError(f"'post': {words['time in force']} never rests in the book; drop one")
        if "trail" in waits and rests:
            raise ConfigError("'trail': a trailing stop goes at market; drop the price")
        if "trail" in waits and exits:
            raise ConfigError("'trail': an entry cannot trail; write sl trail 500 for its stop")
        if "by" in words and not waits and "sl" not in words:
            raise ConfigError("'by': nothing here has a trigger; it goes with stop, tp, trail, sl")
        if "show" in words and not rests:
            raise ConfigError("'show': only an order with a price rests in the book")
        if "show" in words and exits:
            raise ConfigError("'show': a bracket's entry shows its whole size; drop one")
        if exits and "reduce" in words:
            raise ConfigError("'reduce': an order with sl or target opens a position; drop one")
        if exits and "tp" in waits:
            raise ConfigError("'tp': an entry with exits waits for a stop only; drop tp or sl")
        if amount.unit is Unit.RISK and "sl" not in words:
            raise ConfigError(f"{amount.text!r}: what may be lost needs a stop; add sl PRICE")


def parse_time(text: str, what: str) -> int:
    """Read a UTC time such as 2026-12-01T12:00 as nanoseconds.

    Raises:
        ConfigError: It is none, or has another zone.
    """
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ConfigError(f"{what} must be {_VALUED['gtd']}, was {text!r}") from None
    if moment.tzinfo is not None and moment.utcoffset():
        raise ConfigError(f"{what} must be in UTC, was {text!r}")
    return int(moment.replace(tzinfo=UTC).timestamp()) * _NS


def time_text(ts_ns: int) -> str:
    """Write a UTC time to the second, as `parse_time` reads it."""
    return f"{datetime.fromtimestamp(ts_ns // _NS, UTC):%Y-%m-%dT%H:%M:%S}"


def words_of(line: OrderLine) -> str:
    """Write an order line; `parse_order` reads the same from it."""
    out = [line.side.value, line.amount.text, str(line.instrument)]
    if line.price is not None:
        out.append(f"@{line.price:f}")
    elif line.market:
        out.append("market")
    if line.waits == "trail":
        out += ["trail", _distance_text(line.trail, line.trail_pct)]
    elif line.trigger_price is not None:
        out += [line.waits, f"{line.trigger_price:f}"]
    out += [*_exits(line), *_manners(line)]
    return " ".join(out)


def _exits(line: OrderLine) -> Iterator[str]:
    if line.stop_price is not None:
        limit = f"/{line.stop_limit:f}" if line.stop_limit is not None else ""
        yield f"sl {line.stop_price:f}{limit}"
    elif line.stop_trail is not None or line.stop_trail_pct is not None:
        yield f"sl trail {_distance_text(line.stop_trail, line.stop_trail_pct)}"
    if line.target_price is not None:
        yield f"target {line.target_price:f}"
    if line.trigger_by is not TriggerBy.LAST:
        yield f"by {line.trigger_by.value}"


def _manners(line: OrderLine) -> Iterator[str]:
    if line.post_only:
        yield "post"
    if line.extended_hours:
        yield "ext"
    if line.reduce_only:
        yield "reduce"
    if line.position_side is not PositionSide.NET:
        yield line.position_side.value
    if line.time_in_force is TimeInForce.GTD:
        yield f"gtd {time_text(line.expire_ns)}"
    elif line.time_in_force is not TimeInForce.GTC:
        yield line.time_in_force.value
    if line.display_size is not None:
        yield f"show {line.display_size:f}"
    if line.account is not None:
        yield f"acct {line.account}"


def _distance_text(trail: Decimal | None, share: Decimal | None) -> str:
    return f"{share:f}%" if share is not None else f"{trail:f}"


def _check_target(line: OrderLine) -> None:
    """Refuse a take-profit limit that would trade at once: a target was meant."""
    if line.waits != "tp" or line.price is None or line.trigger_price is None:
        return
    if (line.trigger_price - line.price) * line.side.sign > 0:
        raise ConfigError(
            f"'tp': a {line.side.value} waits for {line.trigger_price:f} or better, and @"
            f"{line.price:f} would not trade there; for an entry and its exit write target "
            f"{line.trigger_price:f}"
        )


def _kind(word: str) -> str:
    if word.startswith("@") or word in {"market", "mkt"}:
        return "price"
    if word in _TIMES or word == "gtd":
        return "time in force"
    if word in {"long", "short"}:
        return "side of the position"
    if word in {"post", "ext", "reduce"} or word in _VALUED:
        return word
    return "type" if word == "limit" else "instrument"


def _unreadable(word: str, known: Collection[InstrumentId]) -> str:
    try:
        number = parse_number(word, "price")
    except ConfigError:
        choices = [*WORDS, *(name.rpartition(".")[0] for name in known)]
        return f"{word!r} is no instrument, price or order word{did_you_mean(word, choices)}"
    return f"{word!r}: write a price as @{number}"
