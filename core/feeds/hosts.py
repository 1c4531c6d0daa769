"""Addresses of a venue, and its clock: what dialects and decoders do the same way everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urldefrag, urlsplit

from core.model.errors import ConfigError, DataError
from core.model.ids import VenueName
from core.model.market import ClockSample, MarketEvent
from core.model.settings import FeedSettings

_ASKED: Final = "asked_ns="


def hosts(
    settings: FeedSettings, known: Mapping[str, tuple[str, str]], venue: VenueName
) -> tuple[str, str]:
    """Return REST and stream address: those of the settings, else the venue's own.

    Raises:
        ConfigError: The venue has no such environment and an address is missing.
    """
    rest_url, stream_url = known.get(settings.environment, ("", ""))
    rest_url = settings.rest_url or rest_url
    stream_url = settings.stream_url or stream_url
    if not rest_url or not stream_url:
        raise ConfigError(
            f"feeds.{venue}.environment must be one of {', '.join(sorted(known))}, was "
            f"{settings.environment!r}; or give rest_url and stream_url"
        )
    return rest_url.rstrip("/"), stream_url.rstrip("/")


def check_addresses(settings: FeedSettings, venue: str) -> None:
    """Refuse an address that is none.

    Raises:
        ConfigError: Names the setting.
    """
    for key, url, scheme in (
        ("rest_url", settings.rest_url, "http"),
        ("stream_url", settings.stream_url, "ws"),
    ):
        parts = urlsplit(url)
        if url and (parts.scheme not in {scheme, f"{scheme}s"} or not parts.hostname):
            raise ConfigError(
                f"feeds.{venue}.{key} must be {scheme}(s)://HOST[:PORT][/PATH], was {url!r}"
            )


def planless(settings: FeedSettings, venue: VenueName) -> None:
    """Refuse a plan where the venue has none, so that no setting is silently ignored.

    Raises:
        ConfigError: One is set.
    """
    if settings.plan:
        raise ConfigError(
            f"feeds.{venue}.plan must be empty, was {settings.plan!r}: all of the venue's public "
            "data comes without"
        )


def clock_sample(
    venue: VenueName, url: str, ts_recv_ns: int, server_ns: int
) -> Sequence[MarketEvent]:
    """Return the venue's clock beside ours, from an answer whose URL says when it was asked.

    ::

        https://api.kraken.com/0/public/Time#asked_ns=1786309548026294000

    Without that there is nothing to compare with, and no event.

    Raises:
        DataError: The question left after its answer came, or the venue's time is none.
    """
    fragment = urldefrag(url).fragment
    if not fragment.startswith(_ASKED):
        return ()
    text = fragment.removeprefix(_ASKED)
    asked_ns = int(text) if text.isdigit() and text.isascii() and len(text) < 20 else -1
    if not 0 <= asked_ns <= ts_recv_ns or not 0 < server_ns < 1 << 63:
        raise DataError(
            f"server time {server_ns} asked at {text[:40]!r} and answered at {ts_recv_ns}"
        )
    return (
        ClockSample(
            venue=venue,
            ts_recv_ns=ts_recv_ns,
            offset_ns=server_ns - (asked_ns + ts_recv_ns) // 2,
            round_trip_ns=ts_recv_ns - asked_ns,
        ),
    )
