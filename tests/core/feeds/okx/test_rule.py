from __future__ import annotations

from decimal import Decimal
from itertools import zip_longest
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
import pytest

from core.engine.book import OrderBook
from core.feeds.okx.checksum import OkxChecker
from core.feeds.okx.rule import OkxRule
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import BookCheck, BookDelta, BookSnapshot, CheckedDelta
from core.model.ports import Verdict

NAME = InstrumentId("BTC-USDT.okx")
NONE = np.zeros((0, 2), np.int64)


def delta(prev: int, last: int) -> BookDelta:
    return BookDelta(NAME, 0, 0, max(prev, 0), last, prev, NONE, NONE)


@pytest.mark.parametrize("judge", [OkxRule().follow, OkxRule().splice])
@pytest.mark.parametrize(
    ("last", "prev", "seq", "verdict"),
    [
        (100, 100, 117, Verdict.APPLY),
        (100, 100, 100, Verdict.APPLY),  # keep-alive
        (100, 100, 3, Verdict.APPLY),  # numbers start anew after maintenance
        (3, 3, 8, Verdict.APPLY),
        (100, 0, 8, Verdict.GAP),  # the message that started anew was lost
        (100, 105, 117, Verdict.GAP),
        (100, 90, 99, Verdict.GAP),
        (100, 90, 100, Verdict.OLD),  # the same message twice
        (0, -1, 0, Verdict.APPLY),  # before there were numbers
        (100, -1, 0, Verdict.GAP),
        (0, 0, 5, Verdict.APPLY),
    ],
)
def test_chain_is_judged_by_equality_alone(
    judge: Any, last: int, prev: int, seq: int, verdict: Verdict
) -> None:
    assert judge(last, delta(prev, seq)) is verdict


def test_index_has_no_book_and_every_book_its_own_checker(spot: Any) -> None:
    rule = OkxRule()
    index = msgspec.structs.replace(spot, kind=InstrumentKind.INDEX)
    assert not rule.traits(index).has_book
    assert rule.traits(spot).checker is not rule.traits(spot).checker


def side(*levels: tuple[int, int]) -> Any:
    return np.array(levels, np.int64).reshape(-1, 2)


ITEM = Instrument(
    id=NAME, venue=VenueName("okx"), venue_symbol="BTC-USDT", base="BTC", quote="USDT",
    price_tick=Decimal("0.1"), size_lot=Decimal(1),
)  # fmt: skip


def loaded(bids: Any, asks: Any, check: BookCheck | None) -> tuple[OkxChecker, OrderBook]:
    checker, book = OkxChecker(ITEM), OrderBook()
    book.load(bids, asks)
    checker.on_snapshot(BookSnapshot(NAME, 0, 0, 1, bids, asks, True, check))
    return checker, book


@pytest.mark.parametrize(
    ("asks", "checksum"),
    [
        # The venue's own examples: equally long sides, then a longer one.
        ((("3366.8", "9"), ("3368", "8")), -1881014294),
        ((("3366.8", "9"), ("3368", "8"), ("3372", "8")), 831078360),
    ],
)
def test_documented_checksums(asks: tuple[tuple[str, str], ...], checksum: int) -> None:
    texts = (("3366.1", "7"), ("3366", "6"))
    if len(asks) == 3:
        texts = texts[:1]
    check = BookCheck(checksum, texts, asks)
    checker, book = loaded(
        side(*[(int(float(p) * 10), int(s)) for p, s in texts]),
        side(*[(int(float(p) * 10), int(s)) for p, s in asks]),
        check,
    )
    assert checker.verify(book, check) is True
    assert checker.verify(book, BookCheck(checksum + 1)) is False


def test_zero_says_nothing() -> None:
    checker, book = loaded(side((1, 1)), side((2, 1)), BookCheck(0, (("1", "1"),), (("2", "1"),)))
    assert checker.verify(book, BookCheck(0)) is None


def spelt(ticks: int) -> str:
    return f"{ticks / 10:.1f}".removesuffix(".0")


@pytest.mark.parametrize("with_texts", [True, False])
def test_changes_below_the_checked_levels_keep_the_sum_and_others_change_it(
    with_texts: bool,
) -> None:
    bids = side(*[(1000 - n, 1) for n in range(40)])
    asks = side(*[(1001 + n, 1) for n in range(40)])
    texts = [tuple((spelt(p), "1") for p in prices[:, 0].tolist()) for prices in (bids, asks)]

    def total(book: OrderBook) -> int:
        top = book.top(25)
        rows = [f"{spelt(p)}:{s}" for pair in zip(*(t.tolist() for t in top), strict=True)
                for p, s in pair]  # fmt: skip
        return crc32(":".join(rows).encode())

    checker, book = loaded(bids, asks, BookCheck(1, *texts) if with_texts else BookCheck(1))
    assert checker.verify(book, BookCheck(total(book))) is True
    for price, size in ((970, 5), (976, 5), (976, 0), (1000, 0), (999, 7), (975, 9)):
        change = side((price, size))
        book.apply(change, NONE)
        given = ((spelt(price), str(size)),) if with_texts else ()
        check = BookCheck(total(book), given)
        checker.on_delta(CheckedDelta(NAME, 0, 0, 0, 0, -1, change, NONE, check))
        assert checker.verify(book, check) is True, price
        assert checker.verify(book, BookCheck(total(book) ^ 1)) is False


def test_update_without_texts_ends_the_comparing_until_the_next_image() -> None:
    image = BookCheck(5, (("1", "1"),), (("2", "1"),))
    checker, book = loaded(side((1, 1)), side((2, 1)), image)
    checker.on_delta(BookDelta(NAME, 0, 0, 0, 0, -1, NONE, NONE))
    assert checker.verify(book, BookCheck(5)) is False, "nothing changed, so it still compares"
    checker.on_delta(BookDelta(NAME, 0, 0, 0, 0, -1, side((1, 2)), NONE))
    assert checker.verify(book, BookCheck(5)) is None


def test_text_with_digits_to_spare_counts_as_it_was_written() -> None:
    bids, asks = side((1000, 5)), side((1001, 7))
    check = BookCheck(1, (("100.0", "5"),), (("100.1", "7.00"),))
    checker, book = loaded(bids, asks, check)
    assert checker.verify(book, BookCheck(crc32(b"100.0:5:100.1:7.00"))) is True
    change = side((1000, 6))
    book.apply(change, NONE)
    checker.on_delta(CheckedDelta(NAME, 0, 0, 0, 0, -1, change, NONE, BookCheck(1)))
    assert checker.verify(book, BookCheck(crc32(b"100:6:100.1:7.00"))) is True
    assert checker.verify(book, BookCheck(crc32(b"100.0:6:100.1:7.00"))) is False


def test_small_numbers_are_written_out() -> None:
    item = msgspec.structs.replace(ITEM, price_tick=Decimal("1e-9"), size_lot=Decimal("0.05"))
    checker, book = OkxChecker(item), OrderBook()
    bids, asks = side((452, 3), (1, 20)), side((10**12, 400))
    book.load(bids, asks)
    image = BookSnapshot(NAME, 0, 0, 1, bids, asks, True, BookCheck(1))
    checker.on_snapshot(image)
    text = b"0.000000452:0.15:1000:20:0.000000001:1"
    assert checker.verify(book, BookCheck(crc32(text))) is True


@pytest.mark.parametrize(("tick", "lot"), [("0.1", "1"), ("0.00000005", "0.0001"), ("5", "1e3")])
def test_any_book_sums_up_as_its_whole_text_does(tick: str, lot: str) -> None:
    item = msgspec.structs.replace(ITEM, price_tick=Decimal(tick), size_lot=Decimal(lot))
    checker, book, rng = OkxChecker(item), OrderBook(), np.random.default_rng(3)
    checker.on_snapshot(BookSnapshot(NAME, 0, 0, 1, NONE, NONE, True, BookCheck(1)))

    def spelt(value: Decimal) -> str:
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    for _ in range(600):
        start = int(rng.choice([1000, 10**6, 10**11]))
        near = rng.integers(1, 60, 6)
        sizes = rng.choice([0, 1, 3, 10, 4500, 10**9], 6)
        book.apply(
            np.stack([start - near, sizes], axis=1)[:3],
            np.stack([10**11 + start + near, sizes], axis=1)[3:],
        )
        rows = [
            [f"{spelt(p * item.price_tick)}:{spelt(s * item.size_lot)}" for p, s in side.tolist()]
            for side in book.top(25)
        ]
        texts = [t for pair in zip_longest(*rows) for t in pair if t]
        total = crc32(":".join(texts).encode())
        assert checker.verify(book, BookCheck(total or 1)) is bool(total)
        assert checker.verify(book, BookCheck(total ^ 5)) is False
