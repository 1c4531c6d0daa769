"""What is typed in the form of an executor, read, and said in words."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from core.model.errors import ConfigError
from core.model.executors import ExecutorKind
from core.model.grammar import parse_number
from core.model.instruments import Instrument
from core.model.market import Side
from tui.draw import numbers

if TYPE_CHECKING:
    from core.model.commands import StartExecutor

KINDS: Final = ("twap", "scaled")
ONLY: Final = ("-", "post", "reduce")
MOST_MINUTES: Final = 7 * 1440


class PlanText(Struct, frozen=True):
    """The fields as they stand."""

    kind: str = "twap"
    side: str = "buy"
    size: str = ""
    orders: str = "10"
    minutes: str = "30"
    worst: str = ""
    """A TWAP's limit; empty: at market."""
    first: str = ""
    last: str = ""
    only: str = "-"


class Plan(Struct, frozen=True):
    """What they mean."""

    kind: ExecutorKind
    side: Side
    size: Decimal
    orders: int
    seconds: int
    price: Decimal | None
    last_price: Decimal | None
    post_only: bool
    reduce_only: bool

    def command(self, name: str, instrument: Instrument, *, dry_run: bool) -> StartExecutor:
        """Return what starts it, or has it checked."""
        from core.model.commands import StartExecutor

        fields: dict[str, Any] = {
            "kind": self.kind, "side": self.side, "size": self.size, "orders": self.orders,
            "seconds": self.seconds, "price": self.price, "last_price": self.last_price,
            "post_only": self.post_only, "reduce_only": self.reduce_only,
        }  # fmt: skip
        return StartExecutor(
            executor_id=name, instrument=instrument.id, dry_run=dry_run, reason="by hand", **fields
        )


def read(text: PlanText, instrument: Instrument) -> Plan:
    """Return what the fields mean.

    Raises:
        ConfigError: One cannot be read, or is off the instrument's steps; names it.
    """
    kind = ExecutorKind(text.kind)
    size = parse_number(text.size, "size")
    instrument.lots(size)
    orders = _whole(text.orders, "orders", 2, 500)
    prices: list[Decimal | None] = [None, None]
    seconds = 0
    if kind is ExecutorKind.TWAP:
        minutes = parse_number(text.minutes, "minutes")
        if minutes > MOST_MINUTES:
            raise ConfigError(f"minutes: at most {MOST_MINUTES} (7 days), was {minutes}")
        seconds = max(1, round(minutes * 60))
        prices[0] = _price(text.worst, "worst", instrument) if text.worst.strip() else None
    else:
        prices = [_price(text.first, "from", instrument), _price(text.last, "to", instrument)]
    if kind is ExecutorKind.TWAP and text.only == "post":
        raise ConfigError("only: parts of a TWAP trade at once, so none of them can be post-only")
    return Plan(
        kind=kind,
        side=Side(text.side),
        size=size,
        orders=orders,
        seconds=seconds,
        price=prices[0],
        last_price=prices[1],
        post_only=text.only == "post",
        reduce_only=text.only == "reduce",
    )


def plan_words(plan: Plan, instrument: Instrument, now_ns: int) -> str:
    """Say how the orders will lie: ``10 of ~0.2, one every 3 min 20 s, the last at 14:32:10``."""
    each = instrument.size(instrument.floor_lots(plan.size / plan.orders))
    about = "" if each * plan.orders == plan.size else "~"
    words = f"{plan.orders} orders of {about}{each.normalize():f}"
    if plan.kind is ExecutorKind.SCALED:
        assert plan.price is not None  # read so
        assert plan.last_price is not None
        step = abs(plan.last_price - plan.price) / (plan.orders - 1)
        apart = instrument.price(instrument.nearest_ticks(step))
        return f"{words}, {numbers.trimmed(apart, 2)} {instrument.quote} apart, all at once"
    ends = datetime.fromtimestamp(now_ns // 10**9 + plan.seconds, UTC)
    pause = span(plan.seconds / (plan.orders - 1))
    how = "at market" if plan.price is None else f"at {numbers.trimmed(plan.price, 2)} or better"
    return f"{words} {how}, one every {pause}, the last at {ends:%H:%M:%S} UTC"


def cost_words(plan: Plan, instrument: Instrument, market: Decimal | None) -> str:
    """Say what it comes to at its prices, or at the market."""
    price = plan.price or market
    if plan.price is not None and plan.last_price is not None:
        price = (plan.price + plan.last_price) / 2
    if price is None or instrument.inverse:
        return ""
    worth = plan.size * instrument.contract_size * price
    return f"= {worth:,.2f} {instrument.quote}"


def span(seconds: float) -> str:
    """Return a stretch of time in words: ``45 s``, ``3 min 20 s``, ``1 h 5 min``."""
    whole = round(seconds)
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s".replace(" 0 s", "")
    return f"{whole // 3600} h {whole % 3600 // 60} min".replace(" 0 min", "")


def _whole(text: str, what: str, least: int, most: int) -> int:
    if not text.strip().isdecimal() or not least <= int(text) <= most:
        raise ConfigError(f"{what}: a whole number from {least} to {most}, was {text.strip()!r}")
    return int(text)


def _price(text: str, what: str, instrument: Instrument) -> Decimal:
    price = parse_number(text, what)
    instrument.ticks(price)
    return price
