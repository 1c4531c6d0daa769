"""The checks: each takes a `Subject` and yields what is wrong; nothing yielded is a pass."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import numpy as np

from core.feeds.conformance.subject import Flaw, NotTried, Run, Subject
from core.model.market import (
    BookDelta,
    BookSnapshot,
    FeedDisconnected,
    FeedStatus,
    FeedStatusChanged,
    FrameRejected,
    Quote,
    Trade,
)
from core.wire.tape_reader import TapeFrame

Check: TypeAlias = Callable[[Subject], Iterator[str]]

MANGLED_FRAMES: Final = 150
_DAY_NS: Final = 86_400 * 10**9
_MESSAGES: Final = (BookDelta, BookSnapshot, Quote, Trade)


def reads_its_tape(subject: Subject) -> Iterator[str]:
    """Every frame is read, and they hold market data."""
    run = subject.run()
    for event in run.refused():
        if not any(part in event.reason for part in subject.allowed):
            yield f"refused a frame: {event.reason}: {event.sample}"
    if not any(True for _ in run.of(*_MESSAGES)):
        yield "found no trade, quote or book message on the whole tape"


def reads_alike_twice(subject: Subject) -> Iterator[str]:
    """The same frames give the same events: nothing comes from the clock or from chance."""
    first, second = subject.run(), subject.run()
    if first.market.state_digest() != second.market.state_digest():
        yield "two readings of one tape end in different states"
    if [type(event) for _, event in first.events] != [type(event) for _, event in second.events]:
        yield "two readings of one tape give different events"


def names_and_stamps(subject: Subject) -> Iterator[str]:
    """Events carry known instruments, our time as given and the venue's time in nanoseconds."""
    run = subject.run()
    known = {item.id: item for item in run.decoder.instruments.values()}
    for frame, event in run.events:
        name = getattr(event, "instrument_id", None)
        if name is not None and name not in known:
            yield f"line {frame.line}: event of {name}, which was never taught"
        elif name is not None and not name.endswith(f".{run.decoder.venue}"):
            yield f"line {frame.line}: event of {name} from venue {run.decoder.venue}"
        if event.ts_recv_ns != frame.ts_ns:
            yield f"line {frame.line}: ts_recv_ns is {event.ts_recv_ns}, came at {frame.ts_ns}"
        stamp = getattr(event, "ts_event_ns", 0)
        if isinstance(event, _MESSAGES) and stamp and abs(stamp - frame.ts_ns) > _DAY_NS:
            yield f"line {frame.line}: ts_event_ns {stamp} is over a day off {frame.ts_ns}: units?"


def sane_numbers(subject: Subject) -> Iterator[str]:
    """Prices and sizes are positive integers, levels int64 arrays of shape (n, 2)."""
    for frame, event in subject.run().events:
        if isinstance(event, Trade) and (event.price_ticks <= 0 or event.size_lots <= 0):
            yield f"line {frame.line}: trade of {event.size_lots} lots at {event.price_ticks}"
        if isinstance(event, BookDelta | BookSnapshot):
            for side in (event.bids, event.asks):
                if getattr(side, "dtype", None) != np.int64:
                    kind = getattr(side, "dtype", type(side).__name__)
                    yield f"line {frame.line}: levels are {kind}, not int64"
                elif side.ndim != 2 or side.shape[1] != 2:
                    yield f"line {frame.line}: levels are of shape {side.shape}, not (n, 2)"
                elif len(side) and (side[:, 0].min() <= 0 or side[:, 1].min() < 0):
                    yield f"line {frame.line}: a level has price 0 or a size below 0"
        if isinstance(event, Quote) and min(event.bid_ticks, event.ask_ticks) < 0:
            yield f"line {frame.line}: quote below 0"


def books_hold(subject: Subject) -> Iterator[str]:
    """Books that got an image come into sequence and stay in it, and none is crossed."""
    run = subject.run()
    books = run.books()
    imaged = {event.instrument_id for _, event in run.events if isinstance(event, BookSnapshot)}
    if not books:
        raise NotTried("no book message on the tape")
    for name in books:
        view = run.market.feed_view(name)
        if name in imaged and name not in run.lived:
            yield f"{name}: got an image and was never in sequence ({view.reason})"
        if run.market.book(name).crossed:
            yield f"{name}: bid and ask meet"
        if view.gaps:
            yield f"{name}: {view.gaps} gaps found in a whole tape ({view.reason})"


def finds_a_lost_message(subject: Subject) -> Iterator[str]:
    """A book message left out is noticed at the instrument's next one, and by it alone."""
    run = subject.run()
    deltas: dict[str, list[TapeFrame]] = {}
    for frame, event in run.of(BookDelta):
        assert isinstance(event, BookDelta)
        rule = run.decoder.rule.traits(run.market.instrument(event.instrument_id))
        live = run.market.status(event.instrument_id) is FeedStatus.LIVE
        if live and rule.has_book and not rule.unchecked:
            deltas.setdefault(event.instrument_id, []).append(frame)
    tried = 0
    for name, frames in deltas.items():
        if len(frames) < 4 or tried == 3:
            continue
        tried += 1
        gone = frames[len(frames) // 2]
        cut = subject.run([frame for frame in subject.frames if frame is not gone])
        view = cut.market.feed_view(cut.market.instrument(name).id)  # type: ignore[arg-type]  # text
        if not view.gaps:
            yield f"{name}: line {gone.line} was left out and nothing was noticed"
    if not tried:
        raise NotTried("no book in sequence with four changes, or nothing proves any")


def twice_is_once(subject: Subject) -> Iterator[str]:
    """Messages that come twice change neither books nor trades."""
    once = subject.run()
    if not once.books() and not once.trades():
        raise NotTried("no book message and no trade on the tape")
    doubled: list[TapeFrame] = []
    for frame in subject.frames:
        doubled += [frame, frame] if frame.kind == "recv" else [frame]
    twice = subject.run(doubled)
    for name, ids in once.trades().items():
        if twice.trades().get(name) != ids:
            yield f"{name}: trades are counted twice when a message comes twice"
    checked = [
        name for name in once.books()
        if twice.market.feed_view(name).gaps == 0
    ]  # fmt: skip
    for name in checked:
        if once.books()[name] != twice.books()[name]:
            yield f"{name}: the book differs when messages come twice"


def survives_mangling(subject: Subject) -> Iterator[str]:
    """No bytes whatever raise."""
    rng = random.Random(5)  # noqa: S311  repeatable rubbish
    taken = [frame for frame in subject.frames if frame.kind == "recv" and frame.data]
    run = Run(subject.decoder())
    for frame in subject.frames:
        run.feed(frame)
        if run.decoder.instruments and any(True for _ in run.of(*_MESSAGES)):
            break
    if not taken:
        raise NotTried("no message on the tape")
    for frame in rng.sample(taken, min(MANGLED_FRAMES, len(taken))):
        for data in _mangled(frame.data, rng):
            try:
                run.decoder.decode("recv", frame.conn, frame.ts_ns, "", data)
            except Exception as error:  # a check reports whatever is raised
                yield f"{type(error).__name__} out of decode: {error}: {data[:100]!r}"
                return


def _mangled(data: bytes, rng: random.Random) -> Iterator[bytes]:
    place = rng.randrange(len(data))
    yield data[:place]
    yield data[place:]
    yield data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
    yield data[:place] + b"\x00\xff" + data[place:]
    yield data.replace(b'"', b"", 2)
    yield data.replace(b":", b":null,", 1)
    for word in (b"null", b"NaN", b"1e999", b'""', b"-1", b"99999999999999999999999"):
        digits = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
        if digits:
            at = rng.choice(digits)
            yield data[:at] + word + data[at + 1 :]
    yield b""
    yield b"<html>502 Bad Gateway</html>"
    yield b"[" * 3000


def refuses_the_unknown(subject: Subject) -> Iterator[str]:
    """A symbol nobody taught is refused in words, not guessed."""
    decoder = subject.decoder()
    decoder.unlisted = None
    run = subject.run()
    if decoder.instruments:
        raise NotTried("the decoder is made with instruments")
    for frame, event in run.of(*_MESSAGES):
        if frame.kind != "recv":
            continue
        found = decoder.decode("recv", frame.conn, frame.ts_ns, "", frame.data)
        if any(isinstance(item, _MESSAGES) for item in found):
            what = type(event).__name__
            yield f"line {frame.line}: made a {what} of {event.instrument_id} with no steps known"  # type: ignore[union-attr]  # of those kinds
        return
    raise NotTried("no market data on the tape")


def loses_trust_with_the_connection(subject: Subject) -> Iterator[str]:
    """A lost connection marks what it carried, and a new one starts it anew."""
    run = subject.run()
    conns = sorted({frame.conn for frame in subject.frames if frame.kind in ("send", "connect")})
    before = {
        item.id for item in run.market.followed() if run.market.status(item.id) is FeedStatus.LIVE
    }
    if not conns or not before:
        raise NotTried("nothing was live at the end, or no connection is on the tape")
    last = subject.frames[-1].ts_ns
    for conn in conns:
        lost = run.feed(TapeFrame(0, "disconnect", conn, last, "", b"gone"))
        if not any(isinstance(event, FeedDisconnected) for event in lost):
            yield f"connection {conn} went and nothing was said"
    left = [name for name in before if run.market.status(name) is FeedStatus.LIVE]
    if left:
        yield f"still trusted without a connection: {', '.join(sorted(left)[:5])}"


def says_what_it_subscribes(subject: Subject) -> Iterator[str]:
    """The decoder understands the dialect's own requests, so a tape tells what was wanted."""
    if subject.dialect is None:
        raise NotTried("no dialect given")
    dialect, run = subject.dialect(), subject.run()
    fresh = subject.decoder()
    fresh.add_instruments(list(run.decoder.instruments.values()))
    items = list(run.market.followed())[:3]
    for route in dict.fromkeys(route for item in items for route in dialect.routes(item)):
        mine = [item for item in items if route in dialect.routes(item)]
        fresh.decode("connect", 7, 1, "", b"")
        said = [
            event
            for message in dialect.subscribe(route, mine)
            for event in fresh.decode("send", 7, 2, "", dialect.redacted(message).encode())
        ]
        refused = [event.reason for event in said if isinstance(event, FrameRejected)]
        if refused:
            yield f"its own request is refused: {refused[0]}"
        started = {event.instrument_id for event in said if isinstance(event, FeedStatusChanged)}
        wanted = {item.id for item in mine}
        if route == dialect.routes(mine[0])[0] and not wanted <= started:
            yield f"subscribed {sorted(wanted)}, understood {sorted(started)}"


def keeps_secrets(subject: Subject) -> Iterator[str]:
    """What is taped of our own messages holds no key."""
    if subject.dialect is None:
        raise NotTried("no dialect given")
    dialect = subject.dialect()
    for route in ("", *{route for item in subject.run().market.followed()
                        for route in dialect.routes(item)}):  # fmt: skip
        for message in dialect.opening(route):
            if "conformance-secret" in dialect.redacted(message):
                yield f"a secret stays in what is taped: {dialect.redacted(message)[:60]}"


def labels_what_it_reads(subject: Subject) -> Iterator[str]:
    """Frames with market data have a name of the venue's own."""
    run = subject.run()
    by_frame: dict[int, list[object]] = {}
    for frame, event in run.of(*_MESSAGES):
        by_frame.setdefault(frame.line, []).append(event)
    for frame in subject.frames:
        events = by_frame.get(frame.line)
        if events and frame.kind == "recv":
            if not run.decoder.label("recv", "", frame.data, events):  # type: ignore[arg-type]  # events
                yield f"line {frame.line}: no name for {frame.data[:80].decode(errors='replace')}"
            return
    raise NotTried("no market data on the tape")


CHECKS: Final[tuple[Check, ...]] = (
    reads_its_tape,
    reads_alike_twice,
    names_and_stamps,
    sane_numbers,
    books_hold,
    finds_a_lost_message,
    twice_is_once,
    survives_mangling,
    refuses_the_unknown,
    loses_trust_with_the_connection,
    says_what_it_subscribes,
    keeps_secrets,
    labels_what_it_reads,
)
"""All of them, in the order in which their failure should be looked at."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of a check."""

    flaws: list[Flaw]
    """The first few; none is a pass, if it was tried."""
    untried: str = ""
    """Why there was nothing to try."""


def outcome(check: Check, subject: Subject, limit: int = 5) -> Outcome:
    """Run one check; what the feed raises is a flaw like another."""
    found: list[Flaw] = []
    try:
        for text in check(subject):
            found.append(Flaw(check.__name__, text))
            if len(found) == limit:
                break
    except NotTried as error:
        return Outcome(found, "" if found else str(error))
    except Exception as error:  # code of others: whatever it raises is told, with its place
        found.append(Flaw(check.__name__, _raised(error)))
    return Outcome(found)


def judge(check: Check, subject: Subject, limit: int = 5) -> list[Flaw]:
    """Run one check and return its first few flaws."""
    return outcome(check, subject, limit).flaws


def _raised(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno} in {place.name}"
    return f"{type(error).__name__} raised: {error} ({where})"
