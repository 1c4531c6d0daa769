"""Many venues for the markets and quality screens: groups, references, sparks, records of days."""

from __future__ import annotations

import random
from decimal import Decimal

import msgspec
from fake_market import BINANCE, BTC, NOW_NS, SYMBOLS, instruments

from core.model.commands import ListedSymbols, Spark
from core.model.ids import InstrumentId, VenueName
from core.model.instruments import Instrument, InstrumentKind
from core.model.market import FeedStatus
from core.model.views import (
    FeedView,
    QualityView,
    QuoteLine,
    ReferenceView,
    WatchGroup,
)

PERPS = ("BTC-USDT-PERP.bybit", "ETH-USDT-PERP.bybit", "SOL-USDT-PERP.okx", "XRP-USD.kraken")
UNCHECKED = InstrumentId("BTC-USDT.ccxt:mexc")


def perpetuals() -> tuple[Instrument, ...]:
    """Instruments of other venues, made from the six."""
    plain = {item.symbol: item for item in instruments()}
    out = []
    for name in (*PERPS, UNCHECKED):
        symbol, _, venue = name.rpartition(".")
        base, quote = symbol.split("-")[:2]
        kind = InstrumentKind.PERPETUAL if "PERP" in name else InstrumentKind.SPOT
        out.append(
            msgspec.structs.replace(
                plain[f"{base}-USDT"],
                id=InstrumentId(name),
                venue=VenueName(venue),
                quote=quote,
                kind=kind,
            )
        )
    return tuple(out)


def groups() -> tuple[WatchGroup, ...]:
    """Two groups beside the watchlist."""
    return (
        WatchGroup(name="perps", instruments=tuple(InstrumentId(name) for name in PERPS)),
        WatchGroup(name="check me", instruments=(UNCHECKED, BTC)),
    )


def wide_line(item: Instrument, seed: int) -> QuoteLine:
    """A line of an instrument of another venue; perpetuals with a reference."""
    rng = random.Random(seed)
    price, tick, lot = SYMBOLS[f"{item.base}-USDT"]
    mid = int(Decimal(price) / Decimal(tick)) + rng.randint(-3, 3)
    opened = int(mid * rng.uniform(0.95, 1.05))
    reference = None
    if item.kind is InstrumentKind.PERPETUAL:
        reference = ReferenceView(
            mark=item.price(mid) + Decimal("0.004"),
            index=item.price(mid) - Decimal("0.02"),
            funding_rate=Decimal(rng.randint(-90, 300)) / 1_000_000,
            next_funding_ns=NOW_NS + 11_520_000_000_000,
            open_interest=Decimal(rng.randint(20_000, 90_000_000)),
            last_liquidation="sell 0.412 @ 63,980.10 at 14:02:11" if seed % 2 else "",
        )
    stale = item.venue == "kraken"
    traded = rng.randint(1_000_000, 900_000_000)
    return QuoteLine(
        instrument_id=item.id,
        bid_ticks=mid - 1,
        ask_ticks=mid + rng.randint(1, 3),
        last_ticks=mid,
        open_24h_ticks=opened,
        high_24h_ticks=int(max(mid, opened) * 1.01),
        low_24h_ticks=int(min(mid, opened) * 0.99),
        volume_24h_lots=int(Decimal(traded) / Decimal(price) / Decimal(lot)),
        turnover_24h=float(traded),
        status=FeedStatus.STALE if stale else FeedStatus.LIVE,
        ts_event_ns=NOW_NS,
        age_ms=14_200 if stale else rng.randint(4, 300),
        reference=reference,
    )


def wide_feeds() -> tuple[FeedView, ...]:
    """The trust in those instruments."""
    return tuple(
        FeedView(
            instrument_id=item.id,
            status=FeedStatus.STALE if item.venue == "kraken" else FeedStatus.LIVE,
            reason="checksum 3041 is not 2771; resyncing" if item.venue == "kraken" else "",
            last_event_ns=NOW_NS,
            gaps=2 if item.venue == "kraken" else 0,
            resyncs=3 if item.venue == "kraken" else 0,
        )
        for item in perpetuals()
    )


def wide_listing() -> tuple[ListedSymbols, ...]:
    """Thousands of symbols of seven venues."""
    rng = random.Random(3)
    letters = "ABCDEFGHIKLMNOPRSTUVXYZ"
    made = sorted({"".join(rng.choices(letters, k=rng.randint(3, 5))) for _ in range(1500)})
    coins = ["BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "BNB", *made]
    parts = []
    for venue in ("binance", "coinbase", "kraken", "kucoin"):
        symbols = " ".join(f"{coin}-USDT" for coin in coins)
        parts.append(_part(venue, InstrumentKind.SPOT, symbols))
    for venue in ("binance-usdm", "bybit", "okx"):
        symbols = " ".join(f"{coin}-USDT-PERP" for coin in coins)
        parts.append(_part(venue, InstrumentKind.PERPETUAL, symbols))
    strikes = " ".join(
        f"{coin}-27DEC26-{strike}-{right}"
        for coin in ("BTC", "ETH")
        for strike in range(20_000, 120_000, 100)
        for right in "CP"
    )
    parts.append(_part("deribit", InstrumentKind.OPTION, strikes))
    return tuple(parts)


def _part(venue: str, kind: InstrumentKind, symbols: str) -> ListedSymbols:
    return ListedSymbols(venue=VenueName(venue), kind=kind, trading=True, symbols=symbols)


def spark(name: InstrumentId, last_ticks: int) -> Spark:
    """A course that ends at the last price."""
    rng = random.Random(name)
    price, closes = float(last_ticks), []
    for _ in range(24):
        closes.append(int(price))
        price *= 1 + rng.gauss(0, 0.004)
    return Spark(instrument_id=name, closes_ticks=tuple(closes[::-1]))


def quality(name: InstrumentId, day: int = 0, passed_s: float = 30_000.0) -> QualityView:
    """A record of a day; some venues are worse than others."""
    venue = name.rpartition(".")[2]
    rng = random.Random(f"{name}{day}")
    bad = venue in {"kraken", "ccxt:mexc"}
    frames = int((passed_s if not day else 86_400) * (30 if name == BTC else 7.5))
    stale_s = rng.uniform(5, 90) if bad or rng.random() < 0.3 else 0.0
    return QualityView(
        instrument_id=name,
        day=f"2026-11-{21 - day:02d}",
        status=FeedStatus.STALE if venue == "kraken" and not day else FeedStatus.LIVE,
        reason="checksum 3041 is not 2771; resyncing" if venue == "kraken" and not day else "",
        unchecked=venue.startswith("ccxt:"),
        live_s=(passed_s if not day else 86_400) - stale_s,
        stale_s=stale_s,
        frames=frames,
        trades=frames // 9,
        gaps=rng.randint(1, 5) if bad else 0,
        resyncs=rng.randint(1, 6) if bad else 0,
        outages=1 if day % 3 == 1 else 0,
        rejected=rng.choice((0, 0, 0, 1)),
        checksum_ok=frames // 4 if venue in {"kraken", "okx"} else 0,
        checksum_bad=2 if venue == "kraken" else 0,
        late_trades=rng.choice((0, 0, 3)),
        trade_holes=rng.choice((0, 0, 0, 12)) if bad else 0,
        duplicates=rng.choice((0, 0, 1)),
        rate_per_s=30.0 if name == BTC else 7.5,
        silence_s=2.5 if name == BTC else 9.0,
        clock_offset_ms=rng.uniform(-40, 40),
        delay_ms=rng.uniform(15, 180),
    )


def binance_and_others() -> tuple[Instrument, ...]:
    """Everything that is known with its steps."""
    return (*(item for item in instruments() if item.venue == BINANCE), *perpetuals())
