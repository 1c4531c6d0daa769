"""Lists: what is kept where there is no room, and limits as bars."""

from decimal import Decimal

import pytest

from core.model.accounts import LimitUse
from tui.draw.glyphs import ASCII, BLOCK
from tui.draw.records import BALANCES, ORDERS, POSITIONS
from tui.draw.runs import row_text
from tui.draw.sums import RISK
from tui.draw.tables import draw_table, window

LIMIT = LimitUse(
    rule="risk.max_daily_loss", used=Decimal("600"), allowed=Decimal("5000"), unit="USDT"
)
SPENT = LimitUse(rule="risk.max_open_orders", used=Decimal(190), allowed=Decimal(200), unit="")


def test_limits_are_bars_and_warn_when_nearly_used(golden):
    rows = draw_table(RISK, [LIMIT, SPENT], None, 80, 4, BLOCK)
    golden("limits", rows)
    assert "12%" in row_text(rows[1])
    assert "warn" not in {role for _, role in rows[1]}
    assert "warn" in {role for _, role in rows[2]}


def test_a_least_allowed_is_used_up_from_above():
    calm = LimitUse(
        rule="risk.min_liquidation_pct", used=Decimal(50), allowed=Decimal(5), unit="%", least=True
    )
    close = LimitUse(
        rule="risk.min_liquidation_pct", used=Decimal(4), allowed=Decimal(5), unit="%", least=True
    )
    rows = draw_table(RISK, [calm, close], None, 80, 3, BLOCK)
    assert "10%  " in row_text(rows[1])
    assert "at least 5" in row_text(rows[1])
    assert "125% !" in row_text(rows[2])


def test_without_block_glyphs_bars_are_spelled(golden):
    rows = draw_table(RISK, [LIMIT, SPENT], None, 80, 4, ASCII)
    golden("limits_ascii", rows)
    assert all(row_text(row).isascii() for row in rows)


@pytest.mark.parametrize("table", [ORDERS, POSITIONS, BALANCES, RISK])
def test_an_empty_list_teaches(table):
    rows = draw_table(table, [], None, 80, 5, BLOCK)
    assert table.empty[:40] in row_text(rows[1])


def test_the_cursor_stays_in_sight():
    assert window(100, None, 10) == 0, "lists begin with what is open and new"
    assert window(100, 0, 10) == 0
    assert window(100, 99, 10) == 90
    assert 45 <= window(100, 50, 10) <= 50
    assert window(3, 2, 10) == 0


def test_of_the_columns_the_least_wanted_goes_first(make):
    from core.model.market import Side

    orders = [make.order(Side.BUY, "0.5", "64215.50")]
    wide = row_text(draw_table(ORDERS, orders, None, 140, 2, BLOCK)[0]).split()
    narrow = row_text(draw_table(ORDERS, orders, None, 60, 2, BLOCK)[0]).split()
    assert {"id", "origin"} <= set(wide)
    assert "origin" not in narrow
    assert {"symbol", "side", "size", "price", "state"} <= set(narrow)
