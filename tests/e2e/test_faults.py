"""Venue and feed misbehave while a real engine trades with a real emulator."""

import re

import pytest

from core.model.commands import CancelAll, GetStatus
from core.model.market import FeedStatus

BTC = "BTC-USDT.binance"
TOLD_NOTHING = [
    ("lost_ack", True),
    ("drop_before", False),
    ("http_5xx_after", True),
    ("http_5xx_before", False),
    ("code_1007", True),
    ("code_1007_before", False),
]


@pytest.fixture
async def client(shared):
    async with shared.attach() as client:
        await client.live()
        yield client
        shared.clear_faults()
        await client.request(CancelAll())
        await client.agrees()


@pytest.mark.parametrize(("kind", "taken"), TOLD_NOTHING)
async def test_order_without_an_answer_is_unknown_and_then_what_the_venue_says(
    shared, client, kind, taken
):
    order_id = f"clxc-{kind}"
    # Without this the user stream would tell of the order before the lost answer is missed.
    if taken:
        shared.fault("suppress_reports", count=2)
    shared.fault(kind)
    await client.submit(order_id, "buy", "0.01", price=shared.away())
    await client.alerted(f"order {order_id}: its outcome is unknown")
    await client.reaches(order_id, "accepted" if taken else "rejected")
    assert len(shared.at_venue(order_id)) == int(taken)
    if taken:
        await client.cancel(order_id)
        await client.reaches(order_id, "canceled")
    else:
        assert "never reached the venue" in client.replica.orders[order_id].note


async def test_market_order_without_an_answer_or_report_gets_its_fills_by_asking(shared, client):
    shared.fault("suppress_reports", count=20)
    shared.fault("lost_ack")
    await client.submit("clxc-silent-fill", "buy", "0.05")
    await client.reaches("clxc-silent-fill", "filled")
    await client.agrees()


async def test_lost_answer_to_a_cancel_leaves_no_order_behind(shared, client):
    await client.submit("clxc-lost-cancel", "buy", "0.01", price=shared.away())
    await client.reaches("clxc-lost-cancel", "accepted")
    shared.fault("suppress_reports", count=2)
    shared.fault("lost_ack", on="cancel")
    await client.cancel("clxc-lost-cancel")
    await client.reaches("clxc-lost-cancel", "canceled")
    assert shared.at_venue("clxc-lost-cancel")[0]["status"] == "CANCELED"


async def test_cancel_that_never_arrived_is_sent_again(shared, client):
    await client.submit("clxc-again", "buy", "0.01", price=shared.away())
    await client.reaches("clxc-again", "accepted")
    shared.fault("drop_before", on="cancel")
    await client.cancel("clxc-again")
    await client.reaches("clxc-again", "canceled")


async def test_repeated_reports_count_once(shared, client):
    shared.fault("duplicate_report", count=10)
    price = shared.inside()
    await client.submit("clxc-twice", "buy", "0.02", price=price)
    await client.reaches("clxc-twice", "accepted", "partially_filled", "filled")
    shared.control("trade", {"symbol": "BTCUSDT", "side": "SELL", "qty": "0.02", "price": price})
    await client.reaches("clxc-twice", "filled")
    await client.agrees()


async def test_gap_in_the_book_makes_it_stale_until_resynchronised(shared, client):
    before = client.replica.feeds[BTC]
    shared.fault("gap", symbol="BTCUSDT")
    await client.falls_and_rises()
    assert FeedStatus.LIVE not in client.feed_states("ETH-USDT.binance")
    rows = {row["instrument_id"]: row for row in shared.ask("status")["feeds"]}
    assert rows[BTC]["gaps"] == before.gaps + 1
    assert rows[BTC]["resyncs"] > before.resyncs
    assert rows["ETH-USDT.binance"]["status"] == FeedStatus.LIVE
    await client.sees_the_book()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("malformed_frame", None),
        ("binary_frame", None),
        ("truncated_frame", None),
        # Larger than any honest message, and larger than what is read at all.
        ("oversized_frame", 9 << 20),
        ("oversized_frame", 33 << 20),
    ],
)
async def test_frame_that_cannot_be_read_costs_no_more_than_a_resync(shared, client, kind, value):
    before = (await client.request(GetStatus())).status
    shared.fault(kind, **({"value": value} if value else {}))
    if kind in {"malformed_frame", "binary_frame"} or value == 9 << 20:
        await client.until(
            lambda: shared.ask("status")["status"]["rejected_frames"] > before.rejected_frames,
            "the frame to be counted as rejected",
        )
    else:
        await client.falls_and_rises()
    await client.live()
    assert (await client.request(GetStatus())).status.session == before.session
    order = f"clxc-{kind[:6]}{(value or 0) >> 20}"
    await client.submit(order, "buy", "0.01", price=shared.away())
    await client.reaches(order, "accepted")


async def test_feed_closed_by_the_venue_is_stale_at_once_and_comes_back(shared, client):
    shared.fault("close_streams", value=1)
    await client.falls_and_rises()


async def test_user_stream_lost_while_an_order_fills_loses_no_fill(shared, client):
    price = shared.inside()
    await client.submit("clxc-unseen", "buy", "0.02", price=price)
    await client.reaches("clxc-unseen", "accepted", "partially_filled", "filled")
    shared.fault("suppress_reports", count=4)
    shared.control("trade", {"symbol": "BTCUSDT", "side": "SELL", "qty": "0.02", "price": price})
    shared.fault("close_user_streams")
    await client.reaches("clxc-unseen", "filled")
    (told,) = client.replica.venues["binance"].differences
    assert re.fullmatch(r"\d fills were missed and are booked now", told)


DENIED = [
    ("buy 0.00001 BTC-USDT @{away}", "instrument.min_notional"),
    ("buy 0.01 BTC-USDT @{away}1", "instrument.price_tick"),
    ("buy 0.0100001 BTC-USDT @{away}", "instrument.size_lot"),
    ("buy 0.9 BTC-USDT @{away}", "risk.max_order_notional"),
    ("buy 0.01 BTC-USDT @{far}", "risk.price_band_pct"),
    ("sell 199 SOL-USDT @{sol} ", ""),
    ("sell 201 SOL-USDT @{sol}", "balance"),
]


@pytest.mark.parametrize(("words", "rule"), DENIED)
def test_order_beyond_a_limit_is_denied_with_rule_and_numbers(shared, words, rule):
    far, sol = shared.away("0.5"), shared.away("1.03", "SOLUSDT")
    line = words.format(away=shared.away(), far=far, sol=sol).split()
    done = shared.run("order", *line, "--dry-run" if not rule else "--format=table")
    if not rule:
        assert done.returncode == 0, done.stdout
        return
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"denied: {rule}: " in done.stdout, done.stdout
    said = done.stdout.partition(f"{rule}: ")[2]
    assert sum(char.isdigit() for char in said) >= 2, said
    order_id = done.stdout.split()[0]
    assert shared.at_venue(order_id) == []


@pytest.mark.slow
async def test_clock_that_is_off_blocks_entries_and_says_by_how_much(shared, client):
    shared.fault("clock_skew_ms", value=-60_000)
    # The signature of an order is out of its window, which makes the engine look at the clock.
    order = await client.submit("clxc-skewed", "buy", "0.01", price=shared.away())
    await client.until(
        lambda: "clock skew" in client.replica.venues["binance"].reason, "the skew to be noticed"
    )
    reason = client.replica.venues["binance"].reason
    assert re.search(r"(59|60)\d{3} ms", reason), reason
    assert "set the computer's clock" in reason
    assert order.state == "submitted"
    # Signed once more by the clock that was looked at, so it gets there; what follows is held back.
    await client.reaches("clxc-skewed", "accepted")
    denied = await client.submit("clxc-skewed-2", "buy", "0.01", price=shared.away())
    assert denied.state == "denied"
    assert "clock skew" in denied.note
    shared.fault("clock_skew_ms", value=0)
    await client.until(
        lambda: client.replica.venues["binance"].connected, "the venue to be trusted again", 25
    )
    await client.agrees()
