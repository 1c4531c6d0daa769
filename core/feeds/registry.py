"""Builds feeds and decoders by name; nothing of a venue is imported before it is asked for."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from core.feeds.dialect import Dialect
from core.feeds.hosts import check_addresses
from core.feeds.kinds import CCXT, KINDS, TAPE, kind_named, kind_of_url
from core.feeds.stream import StreamFeed
from core.model.errors import ConfigError
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument
from core.model.ports import Clock, Feed, TapeDecoder
from core.model.settings import FeedSettings
from core.wire.budget import Budgets
from core.wire.tape_reader import TapeReader


def make_feed(
    venue: VenueName,
    settings: FeedSettings,
    *,
    clock: Clock,
    rng: random.Random,
    data: Path,
    budgets: Budgets | None = None,
) -> Feed:
    """Build the feed of a ``[feeds.<venue>]`` table.

    Args:
        venue: The table's name, which its events carry.
        settings: The table.
        clock: Stamps what is received.
        rng: Jitters back-off.
        data: Folder in which a feed keeps what must outlive it, such as a daily budget.
        budgets: Request budgets shared with other programs; None keeps its own alone.

    Raises:
        ConfigError: Its kind is unknown, or the table is wrong for it.
    """
    kind = kind_named(settings.kind or venue)
    check_addresses(settings, venue)
    if kind.startswith(CCXT):
        made = _found("core.feeds.ccxt_pro.feed:CcxtFeed")(
            settings, clock=clock, rng=rng, venue=venue, exchange=kind.removeprefix(CCXT)
        )
        if budgets is not None:
            made.share(budgets)
        feed: Feed = made
        return feed
    if kind.startswith(TAPE):
        return _tape_feed(Path(kind.removeprefix(TAPE)).expanduser(), venue, clock)
    dialect = make_dialect(venue, settings, clock=clock, data=data)
    streams = StreamFeed(dialect, clock=clock, rng=rng)
    if budgets is not None:
        streams.share(budgets)
    return streams


def make_dialect(venue: VenueName, settings: FeedSettings, *, clock: Clock, data: Path) -> Dialect:
    """Build the dialect of a native feed; see `make_feed`.

    Raises:
        ConfigError: Its kind is unknown, or the table is wrong for it.
    """
    kind = kind_named(settings.kind or venue)
    make = _found(f"{KINDS[kind].package}.dialect:make_dialect")
    extra = {"data": data} if kind == "alphavantage" else {}
    made: Dialect = make(settings, clock=clock, venue=venue, **extra)
    return made


def make_decoder(name: str, venue: VenueName | None = None) -> TapeDecoder:
    """Return the decoder that reads a venue's tapes.

    Raises:
        ConfigError: The name is unknown.
    """
    kind = kind_named(name)
    if kind.startswith(TAPE):
        raise ConfigError(
            f"a tape is read as the venue it was recorded of: name that, not {name!r}"
        )
    if kind.startswith(CCXT):
        decoder = _found("core.feeds.ccxt_pro.decoder:CcxtDecoder")
    else:
        decoder = _found(f"{KINDS[kind].package}.{KINDS[kind].decoder}")
    made: TapeDecoder = decoder(venue if venue is not None else VenueName(kind))
    return made


def warm(kind: str) -> None:
    """Compile or load the kernels a native feed needs, so that its first message does not wait."""
    decoder = make_decoder(kind)
    sample = Instrument(
        id=InstrumentId(f"BTC-USD.{kind}"),
        venue=decoder.venue,
        venue_symbol="BTCUSD",
        base="BTC",
        quote="USD",
        price_tick=Decimal("0.01"),
        size_lot=Decimal("0.0001"),
    )
    decoder.add_instruments([sample])
    decoder.rule.traits(sample)


def guess_kind(path: Path) -> str:
    """Return the kind of feed that recorded a tape, from its folder or its first frames.

    Raises:
        ConfigError: It cannot be told, or is one whose feed clx does not have.
        StoreError: The file cannot be read.
    """
    for count, frame in enumerate(TapeReader(path).frames(lambda line, error: None)):
        kind = _cut_of(frame.data) if frame.kind == "cut" else kind_of_url(frame.url)
        if kind:
            return kind
        if frame.data.startswith(b'{"stream":"') and b"@" in frame.data[:60]:
            return "binance_usdm" if b'"pu":' in frame.data else "binance"
        if count >= 200:
            break
    # Tapes of ours lie in a folder named after the feed.
    folder = path.resolve().parent.name
    try:
        return kind_named(folder)
    except ConfigError:
        raise ConfigError(
            f"{path}: the venue cannot be told from the frames; say --venue ({', '.join(KINDS)})"
        ) from None


class _CutHead(msgspec.Struct):
    venue: str


def _cut_of(head: bytes) -> str:
    """Return whose tape a piece was cut from, empty where its head does not say."""
    try:
        return kind_named(msgspec.json.decode(head, type=_CutHead).venue)
    except (msgspec.DecodeError, ConfigError):
        return ""


def _tape_feed(path: Path, venue: VenueName, clock: Clock) -> Feed:
    if not path.is_file():
        raise ConfigError(f"feeds.{venue}.kind: there is no tape {path}")
    feed = _found("core.feeds.tape.feed:TapeFeed")
    made: Feed = feed(path, make_decoder(guess_kind(path), venue), clock=clock)
    return made


def _found(place: str) -> Callable[..., Any]:
    module, _, name = place.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found
