from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from core.engine.gate import BUFFER, CHECKSUM, Gate, GateOutput, ResyncNeeded
from core.model.ids import InstrumentId
from core.model.instruments import Instrument
from core.model.market import (
    BookCheck,
    BookDelta,
    BookSnapshot,
    CheckedDelta,
    FeedStatus,
    FeedStatusChanged,
)
from core.model.ports import DEFAULT_TRAITS, BookTop, BookTraits, ResyncReason, Verdict

NAME = InstrumentId("BTC-USDT.binance")
S = 1_000_000_000


class Rule:
    """Ids follow each other without a hole."""

    def splice(self, snapshot_id: int, delta: BookDelta) -> Verdict:
        return self.follow(snapshot_id, delta)

    def follow(self, last_id: int, delta: BookDelta) -> Verdict:
        if delta.last_id <= last_id:
            return Verdict.OLD
        return Verdict.GAP if delta.first_id > last_id + 1 else Verdict.APPLY

    def traits(self, instrument: Instrument) -> BookTraits:
        """Return that nothing is special."""
        return DEFAULT_TRAITS


def side(*pairs: tuple[int, int]) -> np.ndarray:
    return np.array(pairs, np.int64).reshape(-1, 2)


def delta(
    first: int, last: int, bid: tuple[int, int] = (99, 1), ask: tuple[int, int] = (101, 1),
    at: int = 2 * S,
) -> BookDelta:  # fmt: skip
    return BookDelta(NAME, 0, at, first, last, -1, side(bid), side(ask))


def image(last: int, at: int = 3 * S, bid: int = 90, ask: int = 110) -> BookSnapshot:
    return BookSnapshot(NAME, 0, at, last, side((bid, 5)), side((ask, 5)))


@pytest.fixture
def gate() -> Gate:
    return Gate(NAME, Rule())


@pytest.fixture
def live(gate: Gate) -> Gate:
    gate.subscribe(1 * S)
    gate.on_snapshot(image(10))
    return gate


def statuses(outputs: Sequence[GateOutput]) -> list[tuple[FeedStatus, str]]:
    return [(out.status, out.reason) for out in outputs if isinstance(out, FeedStatusChanged)]


def asks(outputs: Sequence[GateOutput]) -> int:
    return sum(isinstance(out, ResyncNeeded) for out in outputs)


def test_unsubscribed_gate_ignores_data(gate: Gate) -> None:
    assert not gate.on_delta(delta(1, 2))
    assert not gate.on_snapshot(image(3))
    assert not gate.on_timer(100 * S, "")
    assert gate.status is FeedStatus.UNSUBSCRIBED
    assert gate.book.n_bids == 0


def test_eager_gate_takes_a_delta_for_a_subscription() -> None:
    gate = Gate(NAME, Rule(), eager=True)
    out = gate.on_delta(delta(1, 2))
    assert statuses(out) == [(FeedStatus.SYNCING, "waiting for a book image")]
    assert asks(out) == 1


def test_first_delta_after_subscribing_asks_for_an_image_once(gate: Gate) -> None:
    assert statuses(gate.subscribe(S)) == [(FeedStatus.SYNCING, "subscribed")]
    assert asks(gate.on_delta(delta(1, 2))) == 1
    assert asks(gate.on_delta(delta(3, 4))) == 0
    assert gate.resyncs == 0


def test_held_deltas_are_spliced_onto_the_image(gate: Gate) -> None:
    gate.subscribe(S)
    for first, last, bid in ((5, 8, 91), (9, 11, 92), (12, 13, 93)):
        gate.on_delta(delta(first, last, (bid, 7), (109, 3)))
    assert statuses(gate.on_snapshot(image(10))) == [(FeedStatus.LIVE, "in sequence")]
    bids, found = gate.book.top(9)
    assert bids.tolist() == [[93, 7], [92, 7], [90, 5]]
    assert found.tolist() == [[109, 3], [110, 5]]
    assert (gate.book.last_id, gate.synced, gate.gaps) == (13, True, 0)


def test_image_older_than_the_stream_is_refused_and_another_asked_for(gate: Gate) -> None:
    gate.subscribe(S)
    gate.on_delta(delta(20, 21))
    out = gate.on_snapshot(image(10))
    assert statuses(out) == [(FeedStatus.SYNCING, "book image older than the stream")]
    assert (asks(out), gate.gaps, gate.resyncs, gate.synced) == (1, 0, 1, False)
    assert statuses(gate.on_snapshot(image(20))) == [(FeedStatus.LIVE, "in sequence")]
    assert gate.book.last_id == 21


def test_hole_among_held_deltas_is_a_gap(gate: Gate) -> None:
    gate.subscribe(S)
    gate.on_delta(delta(9, 11))
    gate.on_delta(delta(15, 16))
    gate.on_delta(delta(17, 18))
    out = gate.on_snapshot(image(10))
    assert statuses(out) == [(FeedStatus.STALE, "gap")]
    assert gate.gaps == 1
    gate.on_snapshot(image(15))
    assert (gate.status, gate.book.last_id) == (FeedStatus.LIVE, 18)


def test_gap_drops_the_book_within_one_message_and_recovers_with_an_image(live: Gate) -> None:
    live.on_delta(delta(11, 12))
    out = live.on_delta(delta(14, 15, at=5 * S))
    assert out == (
        FeedStatusChanged(
            instrument_id=NAME, ts_recv_ns=5 * S, status=FeedStatus.STALE, reason="gap",
            expected_id=13, received_id=14,
        ),
        ResyncNeeded(NAME),
    )  # fmt: skip
    assert (live.book.n_bids, live.book.n_asks, live.top) == (0, 0, (99, 101))
    assert not live.on_delta(delta(16, 17))
    assert statuses(live.on_snapshot(image(15))) == [(FeedStatus.LIVE, "in sequence")]
    assert (live.book.last_id, live.gaps, live.resyncs) == (17, 1, 1)


def test_duplicate_delta_changes_nothing(live: Gate) -> None:
    live.on_delta(delta(11, 12))
    before = live.book.image()
    assert not live.on_delta(delta(11, 12, (98, 9)))
    assert live.book.image() == before
    assert live.status is FeedStatus.LIVE


def test_numbers_that_began_anew_are_a_gap_and_not_old_news(live: Gate) -> None:
    live.on_delta(delta(11, 12))
    assert not live.on_delta(delta(10, 11)), "told twice, as while connections overlap"
    out = live.on_delta(delta(3, 4, at=5 * S))
    assert statuses(out) == [(FeedStatus.STALE, "gap")]
    assert asks(out) == 1
    live.on_delta(delta(5, 5))
    assert statuses(live.on_snapshot(image(4))) == [(FeedStatus.LIVE, "in sequence")]
    assert live.book.last_id == 5


def test_what_another_connection_tells_after_an_image_of_the_stream_is_old(gate: Gate) -> None:
    gate.subscribe(1 * S)
    gate.on_snapshot(msgspec.structs.replace(image(10), reset=True))
    assert not gate.on_delta(delta(8, 9))


def test_crossed_book_is_dropped_at_once(live: Gate) -> None:
    out = live.on_delta(delta(11, 12, (105, 1), (104, 1)))
    assert statuses(out) == [(FeedStatus.STALE, "crossed book")]
    assert (asks(out), live.book.n_bids) == (1, 0)


def test_crossed_image_is_not_taken(gate: Gate) -> None:
    gate.subscribe(S)
    out = gate.on_snapshot(image(10, bid=120))
    assert statuses(out) == [(FeedStatus.STALE, "crossed book image")]
    assert asks(out) == 1


def test_image_older_than_the_live_book_is_ignored(live: Gate) -> None:
    live.on_delta(delta(11, 12))
    before = live.book.image()
    assert not live.on_snapshot(image(11))
    assert live.book.image() == before


def test_silence_is_stale_and_speech_is_live_again_without_an_image(live: Gate) -> None:
    assert not live.on_timer(12 * S, "")
    out = live.on_timer(14 * S, "silent for 10 s")
    assert statuses(out) == [(FeedStatus.STALE, "silent for 10 s")]
    assert not live.on_timer(15 * S, "silent for 10 s")
    out = live.on_delta(delta(11, 12, at=16 * S))
    assert statuses(out) == [(FeedStatus.LIVE, "in sequence")]
    assert asks(out) == 0


def test_other_news_of_a_silent_instrument_ends_the_silence(live: Gate) -> None:
    live.on_timer(14 * S, "silent for 10 s")
    assert statuses(live.on_timer(16 * S, "")) == [(FeedStatus.LIVE, "speaks again")]


def test_quiet_instrument_gets_its_image_without_any_delta(gate: Gate) -> None:
    gate.subscribe(S)
    assert asks(gate.on_timer(S + S // 2, "")) == 0
    assert asks(gate.on_timer(3 * S, "")) == 1
    assert asks(gate.on_timer(4 * S, "")) == 0


def test_image_that_does_not_come_is_asked_for_again(gate: Gate) -> None:
    gate.subscribe(S)
    gate.on_delta(delta(1, 2, at=2 * S))
    assert asks(gate.on_timer(11 * S, "")) == 0
    assert asks(gate.on_timer(13 * S, "")) == 1
    assert asks(gate.on_timer(14 * S, "")) == 0


def test_lost_link_is_stale_at_once_and_keeps_the_last_prices(live: Gate) -> None:
    out = live.distrust(5 * S, "disconnected: reset")
    assert statuses(out) == [(FeedStatus.STALE, "disconnected: reset")]
    assert live.top == (90, 110)
    assert asks(live.on_timer(60 * S, "")) == 0
    live.subscribe(61 * S, "subscribed")
    assert (live.status, live.book.n_bids, live.top) == (FeedStatus.SYNCING, 0, (90, 110))


def test_buffer_is_bounded_and_the_loss_is_noticed(gate: Gate) -> None:
    gate.subscribe(S)
    for number in range(BUFFER + 10):
        gate.on_delta(delta(number, number))
    out = gate.on_snapshot(image(3))
    assert statuses(out) == [(FeedStatus.SYNCING, "book image older than the stream")]
    gate.on_snapshot(image(BUFFER))
    assert (gate.status, gate.book.last_id) == (FeedStatus.LIVE, BUFFER + 9)


def test_unsubscribing_forgets_the_book(live: Gate) -> None:
    assert statuses(live.unsubscribe(5 * S)) == [(FeedStatus.UNSUBSCRIBED, "not subscribed")]
    assert live.book.n_bids == 0
    assert not live.on_delta(delta(11, 12))


class Summing:
    """A checker whose checksum is the sum of all sizes; it counts what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_snapshot(self, image: BookSnapshot) -> None:
        self.told.append("image")

    def on_delta(self, delta: BookDelta) -> None:
        self.told.append("delta")

    def verify(self, book: BookTop, check: BookCheck) -> bool | None:
        bids, asks = book.top(10)
        return int(bids[:, 1].sum() + asks[:, 1].sum()) == check.checksum


def checked(first: int, last: int, total: int, size: int = 5) -> CheckedDelta:
    return CheckedDelta(NAME, 0, 3 * S, first, last, -1, side((90, size)), side(), BookCheck(total))


@pytest.fixture
def verified() -> Gate:
    gate = Gate(NAME, Rule(), BookTraits(checker=Summing()))
    gate.subscribe(S)
    gate.on_snapshot(image(10))
    return gate


def test_book_that_meets_its_checksum_stays_live(verified: Gate) -> None:
    asks = int(verified.book.top(9)[1][:, 1].sum())
    assert not verified.on_checked(checked(11, 11, 5 + asks))
    assert (verified.checks_ok, verified.checks_bad, verified.gaps) == (1, 0, 0)


def test_wrong_checksum_is_stale_within_one_message(verified: Gate) -> None:
    out = verified.on_checked(checked(11, 11, 12345))
    assert statuses(out) == [(FeedStatus.STALE, CHECKSUM)]
    assert asks(out) == 1
    assert (verified.checks_bad, verified.gaps, verified.book.n_bids) == (1, 1, 0)


def test_checksum_of_an_old_or_held_delta_is_not_compared(verified: Gate) -> None:
    assert not verified.on_checked(checked(9, 10, 12345))
    verified.on_delta(delta(13, 14))
    verified.on_checked(checked(15, 15, 12345))
    assert (verified.checks_ok, verified.checks_bad) == (0, 0)


def test_image_with_a_wrong_checksum_is_not_loaded(gate: Gate) -> None:
    gate = Gate(NAME, Rule(), BookTraits(checker=Summing()))
    gate.subscribe(S)
    out = gate.on_snapshot(msgspec.structs.replace(image(10), check=BookCheck(1)))
    assert statuses(out) == [(FeedStatus.STALE, CHECKSUM)]
    assert asks(out) == 1
    assert not gate.synced


def test_snapshot_of_the_stream_replaces_a_newer_book_and_what_waits(live: Gate) -> None:
    live.on_delta(delta(20, 21))
    assert not live.synced
    live.on_snapshot(msgspec.structs.replace(image(5), reset=True))
    assert (live.synced, live.book.last_id) == (True, 5)
    assert not live.on_delta(delta(6, 7))


def test_book_is_cut_to_the_depth_the_venue_keeps() -> None:
    gate = Gate(NAME, Rule(), BookTraits(depth=2))
    gate.subscribe(S)
    gate.on_snapshot(image(10))
    gate.on_delta(
        BookDelta(NAME, 0, 2 * S, 11, 11, -1, side((91, 1), (92, 1), (93, 1)), side((111, 1)))
    )
    bids, _ = gate.book.top(9)
    assert bids[:, 0].tolist() == [93, 92]
    assert (gate.book.n_bids, gate.book.n_asks) == (2, 2)


def test_instrument_without_a_book_is_live_when_it_speaks() -> None:
    gate = Gate(NAME, Rule(), BookTraits(has_book=False))
    gate.subscribe(S)
    assert asks(gate.on_timer(60 * S, "")) == 0, "there is no image to ask for"
    assert statuses(gate.heard(61 * S)) == [(FeedStatus.LIVE, "speaks")]
    assert statuses(gate.on_timer(80 * S, "quotes silent")) == [(FeedStatus.STALE, "quotes silent")]
    assert statuses(gate.heard(81 * S)) == [(FeedStatus.LIVE, "speaks")]


def test_messages_missing_from_the_connection_drop_the_book(live: Gate) -> None:
    out = live.broken(3 * S, "sequence_num", 7, 9)
    assert statuses(out) == [(FeedStatus.STALE, "sequence_num")]
    assert asks(out) == 1
    assert (live.synced, live.gaps, live.resyncs) == (False, 1, 1)


def test_doubted_price_asks_for_a_fresh_image_once(live: Gate) -> None:
    assert asks(live.doubt(3 * S, "price off band")) == 1
    assert not live.doubt(3 * S, "price off band")


def test_plea_says_why_and_only_of_what_is_not_live(live: Gate) -> None:
    assert not live.plead(ResyncReason.SILENT, 7)
    live.on_timer(14 * S, "book silent")
    assert list(live.plead(ResyncReason.SILENT, 7)) == [ResyncNeeded(NAME, ResyncReason.SILENT, 7)]
    live.unsubscribe(15 * S)
    assert not live.plead(ResyncReason.SILENT, 7)


def test_gap_asks_for_an_image_and_nothing_else(live: Gate) -> None:
    asked = [out for out in live.doubt(3 * S, "price off band") if isinstance(out, ResyncNeeded)]
    assert [out.reason for out in asked] == [ResyncReason.IMAGE]
