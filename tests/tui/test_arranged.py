"""Sorting, filtering and exporting any list."""

import csv
import io
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from fake_market import fill, order
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import StoreError
from core.model.market import Side
from tui.arranged import Arranged
from tui.draw.records import FILLS, ORDERS
from tui.draw.tables import Column, Table
from tui.export import csv_text, export_csv


@dataclass(frozen=True)
class Item:
    name: str
    worth: float | None


TABLE = Table(
    (
        Column("name", lambda item: item.name),
        Column("worth", lambda item: f"${item.worth}", right=True, value=lambda item: item.worth),
        Column("", lambda item: "x"),
    ),
    "nothing",
)
ITEMS = [Item("beta", 2.0), Item("Alpha", None), Item("gamma", 10.0), Item("delta", float("nan"))]


def names(arranged):
    return [item.name for item in arranged.apply(TABLE, ITEMS)]


def test_numbers_are_sorted_as_numbers_and_what_is_not_known_comes_last_both_ways():
    assert names(Arranged("worth")) == ["beta", "gamma", "Alpha", "delta"]
    assert names(Arranged("worth", down=True)) == ["gamma", "beta", "Alpha", "delta"]


def test_words_are_sorted_whatever_their_case():
    assert names(Arranged("name")) == ["Alpha", "beta", "delta", "gamma"]


def test_without_a_column_the_list_is_as_it_comes_or_turned_round():
    assert names(Arranged()) == [item.name for item in ITEMS]
    assert names(Arranged(down=True)) == [item.name for item in ITEMS][::-1]


def test_every_word_must_be_somewhere_in_the_row():
    assert names(Arranged(words="A 10")) == ["gamma"]
    assert names(Arranged(words="zzz")) == []


def test_steps_go_through_named_columns_and_back_to_the_beginning():
    seen, now = [], Arranged()
    for _ in range(3):
        now = now.step(TABLE, 1)
        seen.append((now.column, now.down))
    assert seen == [("name", False), ("worth", True), ("", False)], "numbers begin with the largest"
    assert Arranged().step(TABLE, -1).column == "worth"


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True)), max_size=30), st.booleans())
def test_sorting_loses_nothing(values, down):
    items = [Item(str(number), value) for number, value in enumerate(values)]
    found = Arranged("worth", down=down).apply(TABLE, items)
    assert sorted(item.name for item in found) == sorted(item.name for item in items)


# -- export --------------------------------------------------------------------------------


def test_an_export_has_whole_ids_and_exact_numbers_where_the_list_is_short_of_room():
    rows = list(csv.DictReader(io.StringIO(csv_text(ORDERS, [order("clxt-0001-abcdef")]))))
    assert rows[0]["id"] == "clxt-0001-abcdef"
    assert rows[0]["price"] == "64180.00"
    assert rows[0]["size"] == "0.50000"
    assert rows[0]["symbol"] == "BTC-USDT.binance"
    (row,) = csv.DictReader(io.StringIO(csv_text(FILLS, [fill(side=Side.SELL)])))
    assert Decimal(row["fee"]) == Decimal("3.21")


def test_an_export_says_nothing_where_nothing_is_known():
    assert csv_text(TABLE, ITEMS[1:2]) == "name,worth\nAlpha,\n"


def test_an_export_is_a_new_file_for_its_owner_alone(tmp_path):
    now = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
    first = export_csv(tmp_path / "exports", "orders", "a\n1\n", now)
    second = export_csv(tmp_path / "exports", "orders", "a\n2\n", now)
    assert (first.name, second.name) == (
        "orders-20261121-070000.csv",
        "orders-20261121-070000-1.csv",
    )
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert first.read_text() == "a\n1\n"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StoreError, match="file/exports: cannot write"):
        export_csv(blocked / "exports", "orders", "")
