from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.amounts import Amount, Unit
from core.model.errors import ConfigError
from core.model.grammar import OrderLine, parse_order, parse_time, words_of
from core.model.ids import InstrumentId
from core.model.market import Side
from core.model.orders import OrderType, PositionSide, TimeInForce, TriggerBy

BTC = InstrumentId("BTC-USDT.binance")


def resolve(word: str) -> InstrumentId | None:
    return BTC if word.upper() in {"BTC-USDT", BTC.upper()} else None


def order(line: str, focus: InstrumentId | None = None) -> OrderLine:
    return parse_order(line.split(), resolve, focus=focus, known=[BTC])


def test_a_full_line_is_understood() -> None:
    line = order("b 0.5 btc-usdt @64250 post gtc")
    assert (line.side, line.instrument) == (Side.BUY, BTC)
    assert line.amount == Amount(value=Decimal("0.5"))
    assert (line.price, line.post_only) == (Decimal(64250), True)
    assert (line.type, line.time_in_force) == (OrderType.LIMIT, TimeInForce.GTC)


def test_extended_hours_are_a_word_that_is_written_again() -> None:
    line = order("buy 5 BTC-USDT @64000 day ext")
    assert (line.extended_hours, line.time_in_force) == (True, TimeInForce.DAY)
    assert words_of(line).endswith("ext day")


def test_words_may_come_in_any_order() -> None:
    assert order("sell 2 fok @7 BTC-USDT reduce") == order("s 2 BTC-USDT reduce @7 fok")


def test_the_instrument_in_focus_is_meant_when_none_is_named() -> None:
    assert order("s 2 market", focus=BTC).instrument == BTC


def test_a_line_without_price_is_a_market_order() -> None:
    assert order("sell 2 BTC-USDT.binance ioc").type is OrderType.MARKET


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "side must be buy or sell"),
        ("hold 1 BTC-USDT", "'hold'"),
        ("buy", "buy what"),
        ("buy 0.5", "no instrument"),
        ("buy one BTC-USDT", "size must be a number such as 64250.5, was 'one'"),
        ("buy -1 BTC-USDT", "size must be a number"),
        ("buy 0 BTC-USDT", "size must be above 0"),
        ("buy nan BTC-USDT", "size must be a number"),
        ("buy 1 BTC-USDT @", "price is empty"),
        ("buy 1 BTC-USDT @64,250", "without commas"),
        ("buy 1 BTC-USDT 64250", "write a price as @64250"),
        ("buy 1 BTC-USDT @1 @2", "price is given twice"),
        ("buy 1 BTC-USDT @1 market", "price is given twice"),
        ("buy 1 BTC-USDT @1 pots", "did you mean 'post'"),
        ("buy 1 BTC-UST @1", "did you mean 'BTC-USDT'"),
        ("buy 1 BTC-USDT ioc fok", "time in force is given twice"),
        ("buy 1 BTC-USDT market post", "cannot be post-only"),
        ("buy 1 BTC-USDT @1 post ioc", "'post': ioc never rests"),
        ("buy 1 BTC-USDT stop", "'stop': the trigger price must follow"),
        ("buy 1 BTC-USDT stop high", "stop must be a number such as 64250.5, was 'high'"),
        ("buy 1 BTC-USDT stop 5 trail 1%", "'trail': an order waits for one thing"),
        ("buy 1 BTC-USDT stop 5 tp 6", "'tp': an order waits for one thing"),
        ("buy 1 BTC-USDT trail 100%", "trail must be below 100%, was '100%'"),
        ("buy 1 BTC-USDT trail 5 @7", "'trail': a trailing stop goes at market"),
        ("buy 1 BTC-USDT trail 5 sl 4", "'trail': an entry cannot trail"),
        ("buy 1 BTC-USDT by mark", "'by': nothing here has a trigger"),
        ("buy 1 BTC-USDT stop 5 by bid", "by must be mark, index or last, was 'bid'"),
        ("buy 1 BTC-USDT gtd soon", "gtd must be a time such as .*, was 'soon'"),
        ("buy 1 BTC-USDT gtd 2026-12-01T12:00+02:00", "gtd must be in UTC"),
        ("buy 1 BTC-USDT gtc gtd 2026-12-01", "time in force is given twice"),
        ("buy 1 BTC-USDT show 0.1", "'show': only an order with a price"),
        ("buy 1 BTC-USDT @5 sl 4 show 0.1", "'show': a bracket's entry"),
        ("buy 1 BTC-USDT sl 4/x", "sl's limit must be a number"),
        ("buy 1 BTC-USDT sl trail", "'sl trail': the distance"),
        ("buy 1 BTC-USDT sl 4 tp 6 target 7", "'target': the target is given twice"),
        ("buy 1 BTC-USDT sl 4 reduce", "'reduce': an order with sl or target opens"),
        ("buy 1 BTC-USDT tp 5 target 6", "the target is given twice"),
        ("buy 1 BTC-USDT @5 tp 6", "for an entry and its exit write target 6"),
        ("sell 1 BTC-USDT @5 tp 4", "for an entry and its exit write target 4"),
        ("buy r1% BTC-USDT @5", "'r1%': what may be lost needs a stop; add sl PRICE"),
        ("buy 1 BTC-USDT long short", "side of the position is given twice"),
    ],
)
def test_what_is_not_understood_is_an_error_and_never_a_default(line: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        order(line)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("sell 1 BTC-USDT stop 63000", OrderType.STOP),
        ("sell 1 BTC-USDT stop 63000 @62900", OrderType.STOP_LIMIT),
        ("sell 1 BTC-USDT tp 66000", OrderType.TAKE_PROFIT),
        ("sell 1 BTC-USDT tp 66000 @66000", OrderType.TAKE_PROFIT_LIMIT),
        ("sell 1 BTC-USDT trail 500", OrderType.TRAILING_STOP),
        ("sell 1 BTC-USDT trail 2% by mark", OrderType.TRAILING_STOP),
    ],
)
def test_a_trigger_makes_the_order_conditional(line: str, kind: OrderType) -> None:
    assert order(line).type is kind
    assert not order(line).bracket


def test_a_stop_loss_makes_it_a_bracket_whose_tp_is_the_target() -> None:
    line = order("buy r1% BTC-USDT @64250 sl 63000/62900 tp 67000 by mark long acct hedge")
    assert line.bracket
    assert line.type is OrderType.LIMIT
    assert (line.stop_price, line.stop_limit) == (Decimal(63000), Decimal(62900))
    assert (line.target_price, line.trigger_price) == (Decimal(67000), None)
    assert (line.trigger_by, line.position_side) == (TriggerBy.MARK, PositionSide.LONG)
    assert (line.account, line.amount.unit) == ("hedge", Unit.RISK)


def test_a_stop_entry_may_have_a_trailing_stop_of_its_own() -> None:
    line = order("buy 1 BTC-USDT stop 65000 sl trail 2%")
    assert (line.type, line.trigger_price) == (OrderType.STOP, Decimal(65000))
    assert (line.stop_trail_pct, line.trail_pct) == (Decimal(2), None)


def test_an_end_is_in_utc() -> None:
    line = order("buy 1 BTC-USDT @5 gtd 2026-12-01T12:00")
    assert line.time_in_force is TimeInForce.GTD
    assert line.expire_ns == 1_796_126_400_000_000_000
    assert parse_time("2026-12-01T12:00:00Z", "gtd") == line.expire_ns


PRICES = st.decimals("0.01", "99999", places=2)


@st.composite
def exits_of(draw: st.DrawFn) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    stop = draw(st.sampled_from(["stop_price", "stop_trail", "stop_trail_pct", ""]))
    if stop:
        fields[stop] = draw(st.decimals("0.1", 99, places=1))
    if stop == "stop_price" and draw(st.booleans()):
        fields["stop_limit"] = draw(PRICES)
    if not stop or draw(st.booleans()):
        fields["target_price"] = draw(PRICES)
    return fields


@st.composite
def lines(draw: st.DrawFn) -> OrderLine:
    """Any order the words can say."""
    fields: dict[str, Any] = {}
    waits = draw(st.sampled_from(["", "stop", "tp", "trail"]))
    exits = draw(st.booleans()) and waits in ("", "stop")
    if waits != "trail" and draw(st.booleans()):
        fields["price"] = draw(PRICES)
    elif draw(st.booleans()):
        fields["market"] = True
    side = draw(st.sampled_from(Side))
    if waits == "trail":
        fields[draw(st.sampled_from(["trail", "trail_pct"]))] = draw(
            st.decimals("0.1", 99, places=1)
        )
    elif waits:
        # Of a take-profit limit the trigger is on the better side, which the trigger itself is.
        better = waits == "tp" and fields.get("price")
        fields["trigger_price"] = better or draw(PRICES)
    if exits:
        fields |= draw(exits_of())
    if waits or fields.keys() & {"stop_price", "stop_trail", "stop_trail_pct"}:
        fields["trigger_by"] = draw(st.sampled_from(TriggerBy))
    force = draw(st.sampled_from(TimeInForce))
    fields["time_in_force"] = force
    if force is TimeInForce.GTD:
        fields["expire_ns"] = draw(st.integers(1, 4_000_000_000)) * 1_000_000_000
    if "price" in fields and not exits and draw(st.booleans()):
        fields["display_size"] = draw(PRICES)
    if force in (TimeInForce.GTC, TimeInForce.GTD) and "price" in fields:
        fields["post_only"] = draw(st.booleans())
    fields["reduce_only"] = not exits and draw(st.booleans())
    fields["position_side"] = draw(st.sampled_from(PositionSide))
    fields["account"] = draw(st.none() | st.sampled_from(["main", "Hedge-2"]))
    units = [unit for unit in Unit if unit is not Unit.RISK or "stop_price" in fields]
    amount = Amount(
        value=draw(st.decimals("0.001", 100, places=3)), unit=draw(st.sampled_from(units))
    )
    return OrderLine(side=side, amount=amount, instrument=BTC, waits=waits, **fields)  # type: ignore[arg-type]  # as drawn


@given(lines())
def test_a_line_written_and_read_again_is_the_same(line: OrderLine) -> None:
    assert order(words_of(line)) == line
