from __future__ import annotations

import numba
from hypothesis import given
from hypothesis import strategies as st

from core.engine.compiled import Grid, address, entry, view
from core.feeds.binance.digits import text_of
from core.feeds.symboltable import COLUMNS, LONGEST, find, symbol_table

NAMES = ["BTC-USD", "BTC-USDC", "BTC-24SEP21-8000-P", "B", "12345678", "x" * 31, "é", "x0", "x00"]


def _look(frame: bytes, at: int, table_at: int, slots: int) -> tuple[int, int]:
    table = view(table_at, slots, COLUMNS)
    slot, end = find(text_of(frame), len(frame), at, table)
    return (table[slot, 6] if slot >= 0 else -1), end


_LOOK = numba.njit(_look)


def looked(table: Grid, data: bytes, at: int = 0) -> tuple[int, int]:
    found: tuple[int, int] = entry(_LOOK, b"", 0, 0, 0)(data, at, address(table), len(table))
    return found


def test_each_symbol_is_found_and_no_other() -> None:
    names = [f"{name}{number}" for name in ("A", "BTC-", "LONGER-THAN-8-") for number in range(300)]
    table = symbol_table((name, 7, row) for row, name in enumerate(names))
    for row, name in enumerate(names):
        assert looked(table, f'"{name}",      '.encode(), 1) == (row, 1 + len(name))
        assert looked(table, f'"{name}x",      '.encode(), 1)[0] == -1
        assert looked(table, f'"x{name}",      '.encode(), 1)[0] == -1


def test_symbol_longer_than_the_table_holds_is_left_out() -> None:
    assert LONGEST == 31
    table = symbol_table([("x" * 32, 7, 0), ("x" * 31, 7, 1)])
    assert looked(table, b"x" * 32 + b'"' + b" " * 8)[0] == -1
    assert looked(table, b"x" * 31 + b'"' + b" " * 8)[0] == 1


def test_symbol_given_twice_is_the_first() -> None:
    assert looked(symbol_table([("AB", 7, 3), ("AB", 7, 4)]), b'AB"         ')[0] == 3


@given(st.sampled_from(NAMES), st.binary(max_size=12))
def test_a_symbol_is_found_only_whole(name: str, rest: bytes) -> None:
    table = symbol_table((name, 7, row) for row, name in enumerate(NAMES))
    data = name.encode() + rest
    row, end = looked(table, data)
    wanted = data.partition(b'"')[0]
    if row >= 0:
        assert (NAMES[row].encode(), end) == (wanted, len(wanted))
    elif b'"' in data and len(data) - len(wanted) >= 8:
        assert wanted not in [name.encode() for name in NAMES if name.isascii()]
