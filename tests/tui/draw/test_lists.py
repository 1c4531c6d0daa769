"""The markets and the quality of their data as tables: what is said, and what is left out first."""

import math
from decimal import Decimal

import msgspec
import pytest
from fake_market import NOW_NS, SYMBOLS, Market, instruments
from hypothesis import given, settings
from hypothesis import strategies as st
from wide_market import perpetuals, quality, wide_feeds, wide_line

from core.model.ids import InstrumentId
from core.model.market import FeedStatus
from core.model.views import Alert
from tui.draw import markets as m
from tui.draw.glyphs import glyph_set
from tui.draw.markets import MARKETS, MarketRow, draw_details, draw_groups, hours
from tui.draw.quality import (
    QUALITY,
    QualityRow,
    by_venue,
    checks,
    draw_days,
    rate,
    uptime,
)
from tui.draw.runs import plain, row_text
from tui.draw.status import Standing, draw_header
from tui.draw.tables import Sorted, draw_table
from tui.draw.watchlist import WATCHLIST, Quoted, quoted

BLOCK = glyph_set("block")


def rows():
    out = []
    for seed, item in enumerate(instruments()[:3]):
        line = Market(item, SYMBOLS[item.symbol][0], seed).quote()
        course = [float(n % 7) for n in range(24)]
        out.append(MarketRow(item.id, "spot", item, line, course=course, now_ns=NOW_NS))
    feeds = {feed.instrument_id: feed for feed in wide_feeds()}
    for seed, item in enumerate(perpetuals()):
        line = wide_line(item, seed)
        out.append(
            MarketRow(
                item.id,
                item.kind.value,
                item,
                line,
                feeds[item.id],
                quality(item.id),
                now_ns=NOW_NS,
            )
        )
    out.append(MarketRow(InstrumentId("ADA-USDT.kucoin"), "spot", member=False))
    return out


@pytest.mark.parametrize("width", [60, 80, 120, 160, 240])
def test_markets_look_as_they_should(golden, width):
    drawn = draw_table(MARKETS, rows(), 4, width, 12, BLOCK, Sorted("24 h", True))
    golden(f"markets_{width}", [*drawn, *draw_details(rows()[4], width, 4, BLOCK)])


def test_without_colour_the_change_has_sign_and_arrow():
    texts = [row_text(row) for row in draw_table(MARKETS, rows(), None, 120, 12, BLOCK)]
    assert any("▲ +" in text for text in texts)
    assert any("▼ -" in text for text in texts)
    plain_ones = [
        row_text(r) for r in draw_table(MARKETS, rows(), None, 120, 12, glyph_set("ascii"))
    ]
    assert any("^ +" in text for text in plain_ones)
    assert all(text.isascii() for text in plain_ones)


def test_figures_of_a_row_are_those_of_its_line():
    item = instruments()[0]
    line = msgspec.structs.replace(
        Market(item, "100.00", 1).quote(),
        bid_ticks=9_999, ask_ticks=10_001, last_ticks=10_000, open_24h_ticks=8_000,
        turnover_24h=500.0,
    )  # fmt: skip
    row = MarketRow(item.id, "spot", item, line)
    assert m.last(row) == Decimal("100.00")
    assert m.change(row) == 0.25
    assert m.volume(row) == 500.0
    assert m.spread_ticks(row) == 2
    assert m.spread_bp(row) == pytest.approx(2 / 10_001 * 1e4)


def test_the_volume_of_a_day_is_the_same_everywhere_and_named_by_its_currency():
    item = instruments()[0]
    line = msgspec.structs.replace(Market(item, "100.00", 1).quote(), turnover_24h=1_157_694_123.0)
    row = MarketRow(item.id, "spot", item, line)
    drawn = [
        row_text(draw_table(MARKETS, [row], None, 160, 2, BLOCK)[1]),
        row_text(draw_table(WATCHLIST, [Quoted(item, line)], None, 160, 2, BLOCK)[1]),
        row_text(draw_header(Standing(item, line, None, "up", ""), 200, BLOCK)),
    ]
    assert all("1.16B USDT" in text for text in drawn), drawn


def test_without_a_last_or_an_opening_price_no_change_is_told():
    item = instruments()[0]
    whole = msgspec.structs.replace(Market(item, "100.00", 1).quote(), open_24h_ticks=8_000)
    for unknown in ("last_ticks", "open_24h_ticks"):
        line = msgspec.structs.replace(whole, **{unknown: 0})
        drawn = [
            row_text(
                draw_table(MARKETS, [MarketRow(item.id, "spot", item, line)], None, 160, 2, BLOCK)[
                    1
                ]
            ),
            row_text(draw_table(WATCHLIST, [Quoted(item, line)], None, 160, 2, BLOCK)[1]),
            row_text(draw_header(Standing(item, line, None, "up", ""), 200, BLOCK)),
        ]
        assert not any("%" in text for text in drawn), drawn


def test_the_header_tells_no_spread_and_no_range_that_nobody_quotes():
    item = instruments()[0]
    line = msgspec.structs.replace(
        Market(item, "100.00", 1).quote(), bid_ticks=0, low_24h_ticks=0, high_24h_ticks=0
    )
    drawn = row_text(draw_header(Standing(item, line, None, "up", ""), 200, BLOCK))
    assert "spread" not in drawn
    assert "24h" not in drawn


def test_a_market_that_waits_says_what_for():
    row = MarketRow(InstrumentId("ADA-USDT.kucoin"), "spot")

    def said(*alerts):
        told = [
            Alert(ts_ns=n, level="warning", source=a, text=b) for n, (a, b) in enumerate(alerts)
        ]
        return " ".join(row_text(line) for line in draw_details(row, 120, 3, BLOCK, told))

    assert "waiting kucoin has not listed it yet" in said(("listing okx", "away"))
    assert "waiting blocked" in said(("listing kucoin", "once"), ("listing kucoin", "blocked"))
    assert "no feed is called" in said(("watchlist", "X: no feed is called 'kucoin'"))
    listed = msgspec.structs.replace(row, member=False)
    assert "waiting" not in row_text(draw_details(listed, 120, 3, BLOCK)[1])


def test_without_a_price_nothing_is_made_up():
    row = MarketRow(InstrumentId("ADA-USDT.kucoin"), "spot")
    assert m.last(row) is None
    assert math.isnan(m.change(row))
    assert m.volume(row) is None
    assert m.spread_bp(row) is None
    assert "waiting" in row_text(draw_table(MARKETS, [row], None, 120, 3, BLOCK)[1])


def test_spans_to_the_next_funding_are_short():
    assert hours(11_520_000_000_000) == "3h12"
    assert hours(125_000_000_000) == "2m05"


def test_as_many_groups_as_fit_stand_around_the_active_one():
    names = [(f"group {number}", number) for number in range(30)]
    text = row_text(draw_groups(names, 17, "3 of 4 live", 80, BLOCK))
    assert "group 17 17" in text
    assert text.rstrip().endswith("3 of 4 live")
    assert text.startswith("…")


# -- quality -------------------------------------------------------------------------------


def records():
    names = [item.id for item in (*instruments()[:2], *perpetuals())]
    return [QualityRow(quality(name), 40.0 * n, 7.0) for n, name in enumerate(names)]


@pytest.mark.parametrize("width", [80, 120, 200])
def test_quality_looks_as_it_should(golden, width):
    days = [quality(perpetuals()[3].id, day) for day in range(5)]
    drawn = draw_table(QUALITY, records(), 5, width, 10, BLOCK)
    golden(f"quality_{width}", [*drawn, *draw_days(records()[5], days, width, 7, BLOCK)])


def test_on_a_plain_terminal_everything_is_plain():
    glyphs = glyph_set("ascii")
    days = [quality(perpetuals()[3].id, day) for day in range(3)]
    drawn = draw_table(QUALITY, records(), 1, 200, 9, glyphs, Sorted("gaps", True))
    drawn += draw_days(records()[5], days, 160, 6, glyphs)
    drawn += draw_details(rows()[4], 120, 4, glyphs)
    drawn.append(draw_groups([("perps", 3)] * 30, 9, "3 of 4 live", 80, glyphs))
    assert all(row_text(row).isascii() for row in drawn)


def test_a_venue_adds_up_its_instruments_and_is_as_bad_as_its_worst():
    mine = [row for row in records() if row.venue in {"bybit", "kraken"}]
    venues = {row.venue: row for row in by_venue(mine)}
    assert venues["bybit"].view.frames == sum(r.view.frames for r in mine if r.venue == "bybit")
    assert venues["bybit"].instruments == 2
    assert venues["bybit"].symbol == "2 of 2 live"
    assert venues["kraken"].view.status is FeedStatus.STALE
    assert "XRP-USD: checksum" in venues["kraken"].view.reason


def test_nearly_all_is_not_rounded_up_to_all():
    view = quality(instruments()[0].id)
    short = msgspec.structs.replace(view, live_s=86_399.9, stale_s=0.1)
    texts = row_text(draw_table(QUALITY, [QualityRow(short)], None, 160, 2, BLOCK)[1])
    assert "99.99 %" in texts
    assert uptime(msgspec.structs.replace(view, live_s=0, stale_s=0)) is None


@pytest.mark.parametrize(
    ("ok", "bad", "words"), [(0, 0, "-"), (12, 0, "12 ok"), (20_000, 3, "20.0K ok 3 BAD")]
)
def test_checksums_say_how_many_were_wrong(ok, bad, words):
    view = msgspec.structs.replace(quality(instruments()[0].id), checksum_ok=ok, checksum_bad=bad)
    assert checks(view) == words


def test_rates_are_short_at_every_size():
    assert [rate(value) for value in (0.017, 4.13, 320.4, math.nan)] == ["0.02", "4.1", "320", "-"]


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(0, 260),
    height=st.integers(0, 20),
    name=st.text(max_size=12),
    reason=st.text(max_size=60),
)
def test_tables_never_leave_their_cells(width, height, name, reason):
    view = msgspec.structs.replace(
        quality(perpetuals()[0].id), instrument_id=f"{plain(name)}.x", reason=reason
    )
    drawn = draw_table(QUALITY, [QualityRow(view)] * 3, 1, width, height, BLOCK)
    drawn += draw_table(MARKETS, rows(), 2, width, height, BLOCK)
    drawn += draw_details(rows()[3], width, height, BLOCK)
    drawn += draw_days(QualityRow(view), [view] * 3, width, height, BLOCK)
    drawn.append(draw_groups([(name, 3)] * 9, 4, "right", width, BLOCK))
    for row in drawn:
        assert len(row_text(row)) <= max(width, 0)
        assert plain(row_text(row)) == row_text(row)


def test_watchlist_tells_markets_of_the_same_symbol_apart():
    one, other = instruments()[:2]
    twin = msgspec.structs.replace(one, id=InstrumentId(f"{one.symbol}.okx"))
    known = {item.id: item for item in (one, other, twin)}
    assert [item.name for item in quoted(list(known), known, {}, {})] == [
        one.id, other.symbol, twin.id,
    ]  # fmt: skip
