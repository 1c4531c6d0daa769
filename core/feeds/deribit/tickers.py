"""Deribit's tickers and quotes as the kernels read them: numbers onto the desk, exact.

A desk holds of each number its digits, and then how many of them are decimals with a bit for a
minus. What a ticker said lies where the slip of its instrument says: its open interest and last
price as doubles, none for nothing, then the bytes of its statistics.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from core.engine.compiled import Grid, view
from core.feeds.binance.digits import byte, eight_bytes, read_whole, text_of
from core.feeds.deribit.scan import (
    DATA,
    DESK,
    FIELDS,
    KEYS_AT,
    MAX_FRAME_BYTES,
    MAX_MS,
    NS,
    NUMBERS_AT,
    SLOTS,
    TABLE,
    ends,
    named,
)
from core.feeds.deribit.values import (
    KEYS,
    key_bank,
    key_table,
    past_null,
    past_object,
    past_scalar,
    read_next_key,
    read_number,
    steps_of,
)
from core.feeds.literals import literal, past, text_end
from core.feeds.symboltable import COLUMNS

(
    MARK, INDEX, FUNDING, INTEREST, LAST, UNDERLYING, MARK_IV, BID_IV, ASK_IV,
    DELTA, GAMMA, VEGA, THETA, RHO, FUNDING_8H, BID, BID_SIZE, ASK, ASK_SIZE,
    STATS, GREEKS, _NAME, _TIME, LOW, HIGH, VOLUME, USD, NOTIONAL,
) = range(FIELDS)  # fmt: skip
"""Fields of a ticker; bit n of what is told of it says that the n-th was there and not null."""

_NULLABLE: Final = (
    1 << MARK | 1 << INDEX | 1 << FUNDING | 1 << FUNDING_8H | 1 << INTEREST | 1 << LAST
    | 1 << BID | 1 << BID_SIZE | 1 << ASK | 1 << ASK_SIZE | 1 << STATS | 1 << GREEKS
)  # fmt: skip
_ALL_GREEKS: Final = 1 << DELTA | 1 << GAMMA | 1 << VEGA | 1 << THETA | 1 << RHO
_NEED: Final = 1 << _NAME | 1 << _TIME
_KEYS: Final = key_table(
    {
        "mark_price": MARK, "index_price": INDEX, "current_funding": FUNDING,
        "funding_8h": FUNDING_8H, "open_interest": INTEREST, "last_price": LAST,
        "underlying_price": UNDERLYING, "mark_iv": MARK_IV, "bid_iv": BID_IV, "ask_iv": ASK_IV,
        "best_bid_price": BID, "best_bid_amount": BID_SIZE, "best_ask_price": ASK,
        "best_ask_amount": ASK_SIZE, "stats": STATS, "greeks": GREEKS, "instrument_name": _NAME,
        "timestamp": _TIME,
    }
)  # fmt: skip
_GREEK_KEYS: Final = key_table(
    {"delta": DELTA, "gamma": GAMMA, "vega": VEGA, "theta": THETA, "rho": RHO}
)
_STATS_KEYS: Final = key_table(
    {"low": LOW, "high": HIGH, "volume": VOLUME, "volume_usd": USD, "volume_notional": NOTIONAL}
)

_TICKER: Final = literal('{"jsonrpc":"2.0","method":"subscription","params":{"channel":"ticker.')
_QUOTE: Final = literal('{"jsonrpc":"2.0","method":"subscription","params":{"channel":"quote.')

_TENS: Final = 10.0 ** np.arange(16)
_PLACE_MASK: Final = 31
_MINUS: Final = 6
"""The bit of a number's decimals that says there is a minus before it."""

SAID_INTEREST, SAID_LAST, SAID_LENGTH, SAID_WORDS = range(4)
SAID_LEAST, SAID_MOST = 8, 192
"""How many bytes of statistics can be remembered for the kernel."""
SAID: Final = SAID_WORDS + SAID_MOST // 8
UNKEPT: Final = -1
"""The length of statistics that are not remembered there."""


@numba.njit(cache=True, forceinline=True)
def _read(data: bytes, size: int, at: int, desk: Grid, field: int) -> int:
    """Read a number to the desk; returns the place after it."""
    minus, value, places, at = read_number(data, size, at)
    desk[NUMBERS_AT + field] = value
    desk[NUMBERS_AT + FIELDS + field] = places | minus << _MINUS
    return int(at)


@numba.njit(cache=True)
def _numbers(
    data: bytes, size: int, at: int, table: Grid, desk: Grid, bank: int, part: int
) -> tuple[int, int]:
    """Read ``{"delta":0.03127,...}`` to the desk; returns (which fields there are, place after).

    Those that are null are not there.
    """
    fail = (0, size + 1)
    if at >= size or byte(data, at) != 123:
        return fail
    seen = nulls = 0
    index, most = KEYS[part], KEYS[part + 1]
    while True:
        key, at = read_next_key(data, size, at + 1, table, bank, index, most)
        index += 1
        if key >= 0:
            if seen >> key & 1:
                return fail
            seen |= 1 << key
            if at < size and byte(data, at) == 110:
                nulls |= 1 << key
                at = past_null(data, size, at)
            else:
                at = _read(data, size, at, desk, key)
        else:
            at = past_scalar(data, size, at)
        if at >= size:
            return fail
        if byte(data, at) != 44:
            break
    return (seen & ~nulls, at + 1) if byte(data, at) == 125 else fail


@numba.njit(cache=True)
def _fields(  # noqa: C901  one pass over the fields
    data: bytes, size: int, at: int, table: Grid, desk: Grid
) -> tuple[int, int, int, int, int]:
    """Read the fields of a ticker, numbers to the desk; -1 first when it is odd.

    Returns slot of the instrument, time, which fields there are, and where the statistics begin and
    end.
    """
    odd = (-1, 0, 0, 0, 0)
    slot = -1
    when = seen = nulls = start = stop = index = 0
    bank = key_bank(data, size, at, desk[KEYS_AT])
    while True:
        key, at = read_next_key(data, size, at, _KEYS, bank, index, KEYS[1])
        index += 1
        if at >= size:
            return odd
        if key < 0:
            at = past_scalar(data, size, at)
        else:
            if seen >> key & 1:
                return odd
            seen |= 1 << key
            if byte(data, at) == 110:
                # null
                nulls |= 1 << key
                start, stop = (at, at + 4) if key == 19 else (start, stop)
                at = past_null(data, size, at)
            elif key < 19:
                at = _read(data, size, at, desk, key)
            elif key == 19:
                start = at
                if byte(data, at) != 123:
                    return odd
                stop = at = past_object(data, size, at)
            elif key == 20:
                greeks, at = _numbers(data, size, at, _GREEK_KEYS, desk, bank, 1)
                if greeks != _ALL_GREEKS:
                    return odd
                seen |= greeks
            elif key == 21:
                slot, at = named(data, size, at, table)
            else:
                when, at = read_whole(data, size, at)
        if at >= size:
            return odd
        if byte(data, at) != 44:
            break
        at += 1
    if not ends(data, size, at) or seen & _NEED != _NEED or nulls & ~_NULLABLE or slot < 0:
        return odd
    if when >= MAX_MS:
        return odd
    return slot, when * NS, seen & ~nulls, start, stop


@numba.njit(cache=True)
def ticker_at(frame: bytes, place: int, bare: bool) -> tuple[int, int, int, int, int]:
    """Read a ticker, or a `bare` quote, with what lies on a desk; the place of a plan, 0 if odd.

    Then time, which fields there are, and where the statistics begin and end.
    """
    size = len(frame)
    data = text_of(frame)
    desk = view(place, 1, DESK)[0]
    at = text_end(data, size, past(data, size, 0, _QUOTE if bare else _TICKER))
    at = past(data, size, at, DATA)
    if at > size or size > MAX_FRAME_BYTES:
        return 0, 0, 0, 0, 0
    table = view(desk[TABLE], desk[SLOTS], COLUMNS)
    slot, ts_ns, has, start, stop = _fields(data, size, at, table, desk)
    if slot < 0:
        return 0, 0, 0, 0, 0
    for field in (MARK, INDEX, FUNDING, INTEREST, LAST):
        if has >> field & 1 and _lost_minus(desk, field):
            return 0, 0, 0, 0, 0
    return table[slot, 5], ts_ns, has, start, stop


@numba.njit(cache=True, forceinline=True)
def _lost_minus(desk: Grid, field: int) -> bool:
    """Return whether there is a minus before nothing, which digits do not keep."""
    return bool(desk[NUMBERS_AT + FIELDS + field] >> _MINUS and not desk[NUMBERS_AT + field])


@numba.njit(cache=True)
def statistics_at(frame: bytes, place: int, start: int, stop: int) -> int:
    """Read a ticker's statistics to the desk; which fields there are, -1 if they are odd."""
    if stop - start < SAID_LEAST:
        # None, or nothing in them.
        return 0
    size = len(frame)
    data = text_of(frame)
    desk = view(place, 1, DESK)[0]
    bank = key_bank(data, size, start + 1, desk[KEYS_AT])
    seen, at = _numbers(data, size, start, _STATS_KEYS, desk, bank, 2)
    if at != stop:
        return -1
    for field in range(LOW, FIELDS):
        if seen >> field & 1 and _lost_minus(desk, field):
            return -1
    return int(seen)


@numba.njit(cache=True, forceinline=True)
def steps(desk: Grid, has: int, field: int, plan: Grid, column: int) -> int:
    """Return a price or size in steps, 0 where there is none, -1 if it is not exact."""
    if not has >> field & 1:
        return 0
    if desk[NUMBERS_AT + FIELDS + field] >> _MINUS:
        return -1
    found: int = steps_of(desk[NUMBERS_AT + field], desk[NUMBERS_AT + FIELDS + field], plan, column)
    return found


@numba.njit(cache=True, forceinline=True)
def spelt(desk: Grid, field: int) -> tuple[int, int]:
    """Return the digits of a number with its sign, and how many of them are decimals."""
    value, places = desk[NUMBERS_AT + field], desk[NUMBERS_AT + FIELDS + field]
    return -value if places >> _MINUS else value, places & _PLACE_MASK


@numba.njit(cache=True)
def shortest(desk: Grid, field: int) -> tuple[int, int]:
    """Return digits and decimals of the shortest text of a number's double."""
    value, places = spelt(desk, field)
    while places > 1 and value % 10 == 0:
        value //= 10
        places -= 1
    return (value, places) if places else (10 * value, 1)


@numba.njit(cache=True, forceinline=True)
def double(desk: Grid, has: int, field: int, absent: float) -> float:
    """Return the double of a number: both parts are exact, so one division rounds rightly."""
    if not has >> field & 1:
        return absent
    places = desk[NUMBERS_AT + FIELDS + field]
    value = desk[NUMBERS_AT + field] / _TENS[places & _PLACE_MASK]
    return float(-value if places >> _MINUS else value)


@numba.njit(cache=True, forceinline=True)
def volatility(desk: Grid, has: int, field: int) -> float:
    """Return a fraction; the venue writes 0 for the volatility of a side without a price."""
    value = double(desk, has, field, 0.0) / 100
    return value if value != 0.0 else np.nan


@numba.njit(cache=True, forceinline=True)
def same_number(said: Grid, figure: int, value: float) -> bool:
    """Return whether a number is as the last ticker said, or missing as it was there."""
    known = np.int64(said[figure]).view(np.float64)
    return bool(known == value or (known != known and value != value))


@numba.njit(cache=True, forceinline=True)
def same_statistics(frame: bytes, start: int, stop: int, said: Grid) -> bool:
    """Return whether statistics are as the last ticker's, byte for byte."""
    length = stop - start
    if length != said[SAID_LENGTH]:
        return False
    if length < SAID_LEAST:
        return True
    data = text_of(frame)
    wrong = eight_bytes(data, stop - 8) ^ np.uint64(said[SAID - 1])
    for part in range(0, length - 8, 8):
        wrong |= eight_bytes(data, start + part) ^ np.uint64(said[SAID_WORDS + (part >> 3)])
    return not wrong


@numba.njit(cache=True)
def remember(frame: bytes, start: int, stop: int, interest: float, last: float, said: Grid) -> None:
    """Remember what a ticker said."""
    said[SAID_INTEREST] = np.float64(interest).view(np.int64)
    said[SAID_LAST] = np.float64(last).view(np.int64)
    length = stop - start
    said[SAID_LENGTH] = length
    if length >= SAID_LEAST:
        data = text_of(frame)
        for part in range(0, length - 8, 8):
            said[SAID_WORDS + (part >> 3)] = np.int64(eight_bytes(data, start + part))
        said[SAID - 1] = np.int64(eight_bytes(data, stop - 8))


def kept_words(text: bytes) -> bytes:
    """Return the words that `remember` would keep of statistics, as bytes."""
    words = bytearray(SAID_MOST)
    whole = (len(text) - 1) // 8 * 8
    words[:whole], words[-8:] = text[:whole], text[-8:]
    return bytes(one ^ 48 for one in words)


def kept_text(words: bytes, length: int) -> bytes:
    """Return the statistics of which these are the words, of so many bytes."""
    text = bytes(one ^ 48 for one in words)
    return text[: length - 8] + text[-8:]
