"""Verbs that list records and place typed lines, as far as they need no engine."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from clx.cli import placing, records, trade
from clx.cli.records import since_ns
from core.model import commands
from core.model.accounts import EntryKind, LedgerEntry
from core.model.errors import ConfigError
from core.model.ids import InstrumentId
from core.model.inspection import OrderPreview
from core.model.market import Side
from core.model.orders import Order, OrderFilled, OrderIntent, OrderState, OrderType

BTC = InstrumentId("BTC-USDT.binance")
ETH = InstrumentId("ETH-USDT.binance")
DAY_NS = 86_400_000_000_000


def order(name: str, instrument: InstrumentId, strategy: str | None = None) -> Order:
    intent = OrderIntent(
        client_order_id=name,
        instrument_id=instrument,
        side=Side.BUY,
        type=OrderType.LIMIT,
        size=Decimal("0.5"),
        price=Decimal(60000),
        origin="strat" if strategy else "cli",
        strategy_id=strategy,
    )
    return Order(
        intent=intent,
        venue="binance",
        state=OrderState.ACCEPTED,
        ts_submitted_ns=DAY_NS,
        ts_updated_ns=DAY_NS,
    )


def fill(name: str, instrument: InstrumentId, ts_ns: int) -> OrderFilled:
    return OrderFilled(
        client_order_id=name,
        venue="binance",
        instrument_id=instrument,
        venue_order_id="1",
        execution_id=f"x{ts_ns}",
        side=Side.BUY,
        price=Decimal("60000.10"),
        size=Decimal("0.10"),
        fee=Decimal("0.6"),
        fee_asset="USDT",
        maker=True,
        ts_event_ns=ts_ns,
        ts_ns=ts_ns,
    )


def leg(transaction: int, account: str, ref: str) -> LedgerEntry:
    return LedgerEntry(
        transaction=transaction,
        kind=EntryKind.TRADE,
        account=account,
        asset="USDT",
        amount=Decimal(1),
        ts_ns=transaction * DAY_NS,
        ref=ref,
    )


ORDERS = (order("a", BTC), order("b", ETH, "rsi"))
FILLS = (fill("a", BTC, DAY_NS), fill("b", ETH, 2 * DAY_NS), fill("b", ETH, 3 * DAY_NS))
LEDGER = (
    leg(1, "venue:binance", "a x1"), leg(1, f"trading:{BTC}", "a x1"),
    leg(2, "venue:binance", "b x2"), leg(2, f"trading:{ETH}", "b x2"),
)  # fmt: skip


KNOWN: dict[str, Any] = {
    "get_status": SimpleNamespace(venues=[SimpleNamespace(venue="binance")]),
    "get_strategies": [SimpleNamespace(info=SimpleNamespace(id="rsi"))],
}


def there(command: commands.Command) -> Any:
    if isinstance(command, commands.GetPositions):
        return ()
    if isinstance(command, commands.GetInstruments):
        names = command.names or (BTC, ETH)
        return [SimpleNamespace(id=name) for name in (BTC, ETH) if name in names]
    return commands.OrderReport(order=ORDERS[0])


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Callable[..., tuple[str, list[Any]]]:
    """Run a verb with a scripted engine behind it."""
    monkeypatch.setenv("CLX_HOME", str(tmp_path))

    def invoke(verb: Any, *words: str) -> tuple[str, list[Any]]:
        kept: list[Any] = []

        def ask(command: commands.Command, timeout_s: float = 10.0) -> Any:
            kept.append(command)
            match command:
                case commands.GetOrders():
                    return tuple(
                        o for o in ORDERS if command.instrument in (None, o.intent.instrument_id)
                    )
                case commands.GetFills():
                    return FILLS[-command.limit :]
                case commands.GetLedger():
                    return LEDGER
                case commands.PreviewOrder():
                    return preview()
                case commands.SubmitBracket():
                    return commands.GroupReport(orders=(ORDERS[0],))
                case _:
                    return KNOWN.get(command.name) or there(command)

        for module in (records, trade, placing):
            monkeypatch.setattr(module, "ask", ask)
        result = CliRunner().invoke(verb, list(words), standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        return result.stdout, kept

    return invoke


def preview() -> OrderPreview:
    return OrderPreview(
        size=Decimal("0.25"), price=Decimal(60000), price_from="price", asset="USDT",
        cost=Decimal(15000), of_equity_pct=None, fee=Decimal(15), fee_bps=Decimal(10),
    )  # fmt: skip


Run = Callable[..., tuple[str, list[Any]]]


def test_fills_of_a_strategy_are_those_of_its_orders(run: Run) -> None:
    out, _ = run(records.fills, "--strategy", "rsi", "--format", "json")
    assert [item["client_order_id"] for item in json.loads(out)] == ["b", "b"]


def test_fills_are_cut_by_time_instrument_and_number(run: Run) -> None:
    out, _ = run(records.fills, "--since", "1970-01-03", "--format", "json")
    assert len(json.loads(out)) == 2
    out, _ = run(records.fills, "--instrument", "btc-usdt", "--format", "json")
    assert [item["client_order_id"] for item in json.loads(out)] == ["a"]
    out, asked = run(records.fills, "--limit", "1", "--format", "json")
    assert len(json.loads(out)) == 1
    assert asked == [commands.GetFills(limit=1)]


def test_csv_is_what_the_terminal_exports(run: Run) -> None:
    out, _ = run(records.fills, "--format", "csv")
    head, first, *_ = csv.reader(out.splitlines())
    row = dict(zip(head, first, strict=True))
    assert row["time_ns"] == str(DAY_NS)
    assert (row["symbol"], row["price"], row["fee_asset"]) == (BTC, "60000.10", "USDT")


@pytest.mark.parametrize(
    ("limit", "kept"), [("1", [2, 2]), ("2", [2, 2]), ("3", [2, 2]), ("4", [1, 1, 2, 2])]
)
def test_a_ledger_limit_cuts_no_transaction_in_half(run: Run, limit: str, kept: list[int]) -> None:
    out, _ = run(records.ledger, "--limit", limit, "--account", "binance", "--format", "json")
    assert [item["transaction"] for item in json.loads(out)] == kept


def test_a_ledger_filter_keeps_every_leg_of_a_transaction(run: Run) -> None:
    out, _ = run(records.ledger, "--instrument", "eth-usdt", "--format", "json")
    assert [item["transaction"] for item in json.loads(out)] == [2, 2]
    out, _ = run(records.ledger, "--strategy", "rsi", "--since", "1970-01-02", "--format", "json")
    assert [item["account"] for item in json.loads(out)] == ["venue:binance", f"trading:{ETH}"]


def test_orders_show_trigger_holder_and_group(run: Run) -> None:
    out, _ = run(records.orders, "--all")
    assert "trigger" in out
    assert "held by" in out


@pytest.mark.parametrize(
    ("verb", "words", "said"),
    [
        (records.orders, ("--instrument", "btc-usdx"), r"unknown instrument 'BTC-USDX.*BTC-USDT"),
        (records.positions, ("--account", "okx"), "unknown account 'okx'; there are binance"),
        (records.fills, ("--strategy", "rsy"), "unknown strategy 'rsy'.*rsi"),
    ],
)
def test_a_filter_that_names_nothing_is_an_error_and_not_an_empty_list(
    run: Run, verb: Any, words: tuple[str, str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        run(verb, *words)


@pytest.mark.parametrize(
    ("text", "before"), [("90m", 5400), ("2h", 7200), ("7d", 604_800), ("1w", 604_800)]
)
def test_since_takes_how_long_ago(text: str, before: int) -> None:
    assert since_ns(text, 10**18) == 10**18 - before * 10**9


@pytest.mark.parametrize("text", ["yesterday", "2x", "2026-13-01"])
def test_since_that_cannot_be_read_says_both_ways(text: str) -> None:
    with pytest.raises(ConfigError, match="or how long ago"):
        since_ns(text, 10**18)


def test_a_line_with_exits_is_sent_as_a_bracket_of_the_size_worked_out(run: Run) -> None:
    words = "buy r1% BTC-USDT @60000 sl 59000 tp 62000 --dry-run"
    _, asked = run(trade.order, *words.split())
    first, second = asked
    assert isinstance(first, commands.PreviewOrder)
    assert (first.amount, first.stop_price) == ("r1%", 59000)
    assert isinstance(second, commands.SubmitBracket)
    assert (second.size, second.target_price) == (Decimal("0.25"), 62000)
    assert second.dry_run


def test_a_conditional_line_keeps_every_word(run: Run) -> None:
    words = "sell 0.5 BTC-USDT trail 2% by mark reduce short acct hedge gtd 2026-12-01"
    _, (sent,) = run(trade.order, *words.split())
    assert isinstance(sent, commands.SubmitOrder)
    assert (sent.type, sent.trail_pct, sent.trigger_by) == ("trailing_stop", 2, "mark")
    assert (sent.reduce_only, sent.position_side, sent.account) == (True, "short", "hedge")
    assert sent.expire_ns == 1_796_083_200_000_000_000
