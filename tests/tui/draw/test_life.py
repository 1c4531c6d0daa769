"""An order's life and a venue's standing, where there is more to say than room."""

from decimal import Decimal

from core.model.accounts import LimitUse
from core.model.inspection import LifeStep, OrderLife
from core.model.market import Side
from core.model.views import VenueView
from tui.draw.glyphs import BLOCK
from tui.draw.life import draw_life
from tui.draw.runs import row_text
from tui.draw.sums import draw_venues, venue_rows


def test_of_many_orders_of_one_executor_a_few_are_named_unless_all_are_wanted(make):
    orders = tuple(make.order(Side.BUY, "0.5", "64215.50") for _ in range(10))
    life = OrderLife(order=orders[0], group=orders[1:], steps=(), wire="")
    few = [row_text(row) for row in draw_life(life, 120, BLOCK, whole=False)]
    assert sum("is accepted" in line for line in few) == 4
    assert any("and 6 more of the same group" in line for line in few)
    every = [row_text(row) for row in draw_life(life, 120, BLOCK, whole=True)]
    assert sum("is accepted" in line for line in every) == 10


def test_no_letter_is_lost_beside_the_time_of_day(make):
    text = "word " * 30 + "end"
    step = LifeStep(ts_ns=1, seq=1, what="checks", text=text)
    life = OrderLife(order=make.order(Side.BUY, "0.5", "64215.50"), steps=(step,), wire="")
    for width in range(80, 90):
        seen = " ".join(row_text(row) for row in draw_life(life, width, BLOCK, whole=False))
        assert seen.split().count("word") == 30


def test_limits_are_bars_the_one_used_most_first_and_the_rest_on_demand(make):
    limits = tuple(
        LimitUse(rule=f"risk.max_{name}", used=Decimal(used), allowed=Decimal(100), unit="USDT")
        for name, used in (("a", 5), ("b_c", 90), ("d", 20), ("e", 10))
    )
    step = LifeStep(ts_ns=1, seq=1, what="checks", text="all passed", limits=limits)
    life = OrderLife(order=make.order(Side.BUY, "0.5", "64215.50"), steps=(step,), wire="")
    few = [row_text(row).rstrip() for row in draw_life(life, 80, BLOCK, whole=False)]
    bars = [line for line in few if "USDT" in line and "%" in line]
    assert bars[0].endswith("90%  max b c  90 of 100 USDT")
    assert len(bars) == 3
    assert any("and 1 more limit, used less" in line for line in few)
    every = [row_text(row) for row in draw_life(life, 80, BLOCK, whole=True)]
    assert sum("of 100 USDT" in line for line in every) == 4


def test_how_a_venue_stands_is_parted_where_its_words_are():
    venue = VenueView(
        venue="binance", connected=True, reason="", reconciled_ns=1, private="native stream"
    )
    assert venue_rows([venue], 160, 3) == 1
    assert venue_rows([venue], 80, 3) == 2
    rows = [row_text(row).rstrip() for row in draw_venues([venue], 80, 2, BLOCK)]
    assert rows[0] == " binance up   fills by native stream"
    assert rows[1].endswith("last compared: no differences")
    (one,) = [row_text(row).rstrip() for row in draw_venues([venue], 80, 1, BLOCK)]
    assert one.endswith("…")
