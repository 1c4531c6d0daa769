"""The settings tree: one pydantic model per component, unknown keys refused.

Read by `store.settings` from TOML and ``CLX_*`` variables; nothing here reads a file.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from core.model.market import Timeframe


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class EngineSettings(_Table):
    """[engine]: the daemon."""

    watchlist: tuple[str, ...] = (
        "BTC-USDT.binance",
        "ETH-USDT.binance",
        "SOL-USDT.binance",
        "BNB-USDT.binance",
        "XRP-USDT.binance",
        "DOGE-USDT.binance",
    )
    history_bars: int = Field(1000, ge=10, le=5000)
    """Closed bars fetched and kept per instrument and timeframe."""
    equity_asset: str = "USDT"
    tape: bool = True
    """Record raw frames."""
    tape_max_mb: int = Field(512, ge=8)
    """Oldest tape files go when all together exceed this."""
    stale_after_s: float = Field(10.0, gt=0)
    """An instrument silent for this long is stale."""
    download_share: float = Field(0.5, gt=0, le=1)
    """Part of a venue's request budget that downloads of the shell may use while it runs."""
    client_backlog: int = Field(10_000, ge=100)
    """Facts kept per slow client before it must take a new snapshot."""


class FeedSettings(_Table):
    """[feeds.<name>]: where market data comes from; hosts are settings."""

    kind: str = ""
    """Whose protocol is spoken, such as ``okx`` or ``ccxt:kraken``; empty: the table's name."""
    environment: Literal["live", "demo", "testnet"] = "live"
    """Which of the venue's own hosts are meant where no URL is given."""
    rest_url: str = ""
    stream_url: str = ""
    """Empty: the venue's own host of the environment."""
    api_key: SecretStr = SecretStr("")
    api_secret: SecretStr = SecretStr("")
    passphrase: SecretStr = SecretStr("")
    """Only asked for where a venue gives no public data without keys."""
    depth_ms: int = Field(100, ge=0, le=1000)
    """Wanted time between book updates; the nearest the venue has is taken."""
    snapshot_levels: int = Field(1000, ge=1, le=5000)
    """Wanted levels of a book image; the nearest the venue has is taken."""
    plan: str = ""
    """The venue's data plan or feed, such as ``iex`` or ``sip``."""
    requests_per_minute: int = Field(0, ge=0)
    requests_per_day: int = Field(0, ge=0)
    """0: as the venue documents for the plan."""


class VenueSettings(_Table):
    """[venues.<name>]: where orders go; several tables of one kind are several accounts."""

    kind: str = ""
    """Whose protocol is spoken, such as ``okx`` or ``ccxt:kraken``; empty: the table's name."""
    market: str = ""
    """The feed whose instruments it trades; empty: the kind's own name."""
    environment: Literal["live", "demo", "testnet"] = "live"
    """Which of the venue's own hosts are meant where no URL is given."""
    account: str = ""
    """A name that `clx keys add` was given; the better place for the keys below."""

    rest_url: str = ""
    ws_api_url: str = ""
    """Of the account's stream. Empty: the venue's own hosts of the environment."""
    api_key: SecretStr = SecretStr("")
    api_secret: SecretStr = SecretStr("")
    passphrase: SecretStr = SecretStr("")
    """Only where a venue's keys have one."""
    dead_man_s: float = Field(0.0, ge=0, le=86_400)
    """The venue cancels what rests when it does not hear from us for so long; 0: it does not."""
    recv_window_ms: int = Field(5000, ge=100, le=60_000)
    timeout_s: float = Field(5.0, gt=0)


class KeysSettings(_Table):
    """[keys]: where the secrets of accounts are kept."""

    store: Literal["auto", "keyring", "file"] = "auto"
    """auto: the system's keyring where there is one, else the encrypted file."""
    keyring_timeout_s: float = Field(30.0, gt=0)
    """A locked keyring asks on the desktop; this long it is waited for."""


class AuditSettings(_Table):
    """[audit]: the log of who did what."""

    file_mb: int = Field(8, ge=1, le=1024)
    """A file of more than this is closed and the next one begun."""
    files: int = Field(16, ge=2, le=1000)
    """Closed files that are kept."""


class LatencyLeg(_Table):
    """One way of a message, drawn from a log-normal distribution."""

    median_ms: float = Field(15.0, gt=0, le=60_000)
    p99_ms: float = Field(60.0, gt=0, le=60_000)
    """One of a hundred takes longer."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.p99_ms < self.median_ms:
            raise ValueError(
                f"p99_ms must be at least median_ms, {self.median_ms:g}, was {self.p99_ms:g}"
            )
        return self


class ReportLeg(LatencyLeg):
    """The way back."""

    median_ms: float = Field(10.0, gt=0, le=60_000)
    p99_ms: float = Field(40.0, gt=0, le=60_000)


class PaperSettings(_Table):
    """[paper]: fills made here against the live book."""

    balances: dict[str, Decimal] = {"USDT": Decimal("100000")}
    """What each account, one a feed, begins with."""
    fees: Literal["venue", "flat"] = "venue"
    """venue: what it lists, else its standard rates, else those below; flat: those below."""
    maker_fee_bps: Decimal = Field(Decimal("10"), ge=0)
    taker_fee_bps: Decimal = Field(Decimal("10"), ge=0)
    fee_asset: Literal["venue", "quote"] = "venue"
    """venue: a buyer pays in what was bought where the venue has it so; quote: never."""

    latency: Literal["none", "fixed", "model", "measured"] = "model"
    """How long messages take: not at all, `latency_ms` to the venue, drawn from the tables below,
    or drawn from your own round trips, half of one each way."""
    latency_ms: float = Field(20.0, ge=0)
    """Set alone it means ``latency = "fixed"``."""
    order_latency: LatencyLeg = LatencyLeg()
    """From here until the book has an order, or a change of one."""
    cancel_latency: LatencyLeg = LatencyLeg()
    report_latency: ReportLeg = ReportLeg()
    """From the book until we hear of it."""
    seed: int = 7
    """Of what is drawn: the same market and the same orders give the same fills."""

    leverage: Decimal = Field(Decimal(10), gt=0, le=200)
    """Worth of a contract over the margin it needs; less where the venue allows less."""
    maintenance_pct: Decimal = Field(Decimal("0.5"), gt=0, lt=50)
    """Share of the worth of all contracts below which the equity may not fall."""
    liquidation_fee_pct: Decimal = Field(Decimal("1.25"), ge=0, lt=50)
    """Of what is closed by force, where the venue lists no rate."""
    hedged: bool = False
    """Long and short contracts are held apart."""

    @model_validator(mode="before")
    @classmethod
    def _fixed(cls, data: object) -> object:
        if isinstance(data, dict) and "latency_ms" in data and "latency" not in data:
            return {**data, "latency": "fixed"}
        return data


class StoreSettings(_Table):
    """[store]: market data kept on disk; whole UTC days, counted back from now."""

    bars_days: dict[Timeframe, Annotated[int, Field(ge=0)]] = {Timeframe.S1: 7, Timeframe.S5: 30}
    """Days of bars kept per length; 0 or a length not named keeps them for ever."""
    keep_trades: bool = False
    """Keep every trade of what is followed, not only bars; about 10 bytes each."""
    trades_days: int = Field(30, ge=0)
    """0 keeps them for ever."""
    quality_days: int = Field(400, ge=0)
    """0 keeps them for ever."""
    downsample: bool = True
    """Make longer bars, where none are, of what is about to go."""


class TradingSettings(_Table):
    """[trading]: how orders are let through."""

    live: bool = False
    """Real orders to a real venue are impossible unless this is true."""
    arm_seconds: int = Field(300, ge=5, le=3600)
    reconcile_every_s: float = Field(30.0, gt=0)
    unknown_poll_s: float = Field(1.0, gt=0)
    """How often the venue is asked about an order whose outcome is unknown."""
    on_difference: Literal["adopt", "protect", "flatten", "ask"] = "adopt"
    """What is done where the venue holds another position than the journal says: take it over;
    also put a stop behind it and let only exits through; close it; or open nothing at that venue
    until somebody answers."""
    protect_pct: Decimal = Field(Decimal("2"), gt=0, lt=100)
    """How far from the market, in per cent, `protect` puts its stops."""


class LimitSettings(_Table):
    """Limits of one account, venue, instrument or strategy; None: no such limit here.

    Sizes are in the instrument's units, money is in the equity asset, shares are in per cent.
    """

    max_order_size: Decimal | None = Field(None, gt=0)
    max_order_notional: Decimal | None = Field(None, gt=0)
    max_position_size: Decimal | None = Field(None, gt=0)
    """Of one instrument, with all open orders on one side filled; also where it says notional."""
    max_position_notional: Decimal | None = Field(None, gt=0)
    max_gross_exposure: Decimal | None = Field(None, gt=0)
    """Sum of all positions whatever their side, with whatever open orders may add."""
    max_net_exposure: Decimal | None = Field(None, gt=0)
    """Longs less shorts, with all open buys or all open sells filled."""
    max_leverage: Decimal | None = Field(None, gt=0)
    """Gross exposure over equity, of an account over its own."""
    max_correlated_exposure: Decimal | None = Field(None, gt=0)
    """sqrt(w'Cw) of positions w and the correlations C of their closed bars, and open entries."""
    max_orders_per_second: int | None = Field(None, ge=1)
    max_messages_per_second: int | None = Field(None, ge=1)
    """Orders, cancels and amends; it stops entries, never a cancel."""
    max_open_orders: int | None = Field(None, ge=1)
    price_band_pct: Decimal | None = Field(None, gt=0)
    """Largest distance of a limit price from the last trusted mid."""
    max_book_share_pct: Decimal | None = Field(None, gt=0)
    """Largest size of an order beside what the other side shows within the price band."""
    self_trade: Literal["deny", "allow"] | None = None
    """Whether an order may meet one of our own on the other side."""
    max_daily_loss: Decimal | None = Field(None, gt=0)
    max_drawdown: Decimal | None = Field(None, gt=0)
    """Loss since the trading profit was highest."""
    max_drawdown_pct: Decimal | None = Field(None, gt=0, lt=100)
    """The same as a share of what the equity was then."""
    max_loss_streak: int | None = Field(None, ge=1)
    """Round trips lost one after the other until entries rest."""
    cool_down_s: float | None = Field(None, gt=0)
    """How long they rest."""
    min_liquidation_pct: Decimal | None = Field(None, gt=0, lt=100)
    """Least distance of a position's liquidation price, as the venue states it, from the mark."""
    max_clock_skew_ms: int | None = Field(None, ge=1)
    min_confidence: float | None = Field(None, gt=0, le=1)
    """Of orders of strategies."""


class RiskSettings(LimitSettings):
    """[risk]: limits in front of every route, and those of parts of it; see `LimitSettings`."""

    max_order_notional: Decimal = Field(Decimal("50000"), gt=0)
    max_position_notional: Decimal = Field(Decimal("200000"), gt=0)
    max_leverage: Decimal | None = Field(Decimal(10), gt=0)
    price_band_pct: Decimal = Field(Decimal("5"), gt=0)
    max_book_share_pct: Decimal | None = Field(Decimal(100), gt=0)
    max_orders_per_second: int = Field(20, ge=1)
    max_messages_per_second: int | None = Field(100, ge=1)
    max_open_orders: int = Field(200, ge=1)
    self_trade: Literal["deny", "allow"] = "deny"
    max_daily_loss: Decimal = Field(Decimal("5000"), gt=0)
    max_drawdown_pct: Decimal | None = Field(Decimal(20), gt=0, lt=100)
    cool_down_s: float = Field(900.0, gt=0)
    min_liquidation_pct: Decimal | None = Field(Decimal(5), gt=0, lt=100)
    max_clock_skew_ms: int | None = Field(2000, ge=1)

    accounts: dict[str, LimitSettings] = {}
    """[risk.accounts.<name>]: of a `[venues.<name>]` table."""
    venues: dict[str, LimitSettings] = {}
    """[risk.venues.<name>]: of a market, whichever accounts trade it."""
    instruments: dict[str, LimitSettings] = {}
    """[risk.instruments."BTC-USDT.binance"]"""
    strategies: dict[str, LimitSettings] = {}
    """[risk.strategies.<id>]"""


class WatchdogSettings(_Table):
    """[watchdog]: the process that acts when the engine hangs."""

    enabled: bool = True
    warn_s: float = Field(5.0, gt=0)
    """No sign of life for this long is told."""
    kill_s: float = Field(20.0, gt=0)
    """After this long the engine is killed and started once more."""
    restart_s: float = Field(60.0, gt=0)
    """How long the new one may take until it answers."""
    restarts: int = Field(3, ge=0, le=20)
    """How often within an hour an engine that died by itself is started again; 0: only told of."""
    backoff_s: float = Field(2.0, ge=0)
    """What the second of these tries waits; each further one waits twice as long, 60 s at most."""
    action: Literal["none", "cancel", "flatten"] = "none"
    """What the watchdog does itself at the venues when the engine cannot be brought back."""


class StrategySettings(_Table):
    """[strategies.<id>]: a strategy to load."""

    kind: str
    """``rsi`` or another built-in, or a path to a Python file of yours."""
    instruments: tuple[str, ...] = ("BTC-USDT.binance",)
    timeframe: Timeframe = Timeframe.M1
    enabled: bool = False
    size: Decimal = Field(Decimal("0.01"), gt=0)
    parameters: dict[str, float | int | str | bool] = {}
    memory_mb: int = Field(512, ge=64)
    reply_timeout_s: float = Field(2.0, gt=0)
    """A strategy that does not answer an input within this is stopped."""


class ModelSettings(_Table):
    """[models.<id>]: a model to load."""

    path: str = ""
    """An ONNX file; empty means the one shipped under this id."""
    instruments: tuple[str, ...] = ()
    """Empty: the whole watchlist."""
    enabled: bool = True


class TuiSettings(_Table):
    """[tui]: the terminal face."""

    theme: str = "clx-dark"
    fps: float = Field(10.0, ge=0.2, le=30)
    flash: bool = True
    glyphs: Literal["auto", "block", "ascii"] = "auto"
    indicators: tuple[str, ...] = ("ema(20)", "ema(50)", "bb(20,2)", "rsi(14)")
    timeframe: Timeframe = Timeframe.M1
    bell: tuple[Literal["alerts", "fills"], ...] = ("alerts", "fills")
    """What rings the terminal's bell: warnings and errors, own fills; ``[]`` keeps it silent."""
    keys: dict[str, str] = {}
    """Binding id to key, such as ``"ladder.centre" = "space"``."""


class EmulatorSettings(_Table):
    """[emulator]: the market of SIM mode."""

    seed: int = 7
    port: int = Field(0, ge=0, le=65535)
    """0 takes a free port."""
    history_days: int = Field(730, ge=2, le=3650)
    events_per_second: float = Field(80.0, gt=0, le=2000)
    """Order flow per instrument."""


class UdpSettings(_Table):
    """[udp]: prices as datagrams, in AW-Trade's form, to whoever asks."""

    enabled: bool = False
    host: str = "127.0.0.1"
    """Anyone who can reach it may have prices sent anywhere: leave it on loopback."""
    port: int = Field(8888, ge=0, le=65535)
    every_ms: int = Field(100, ge=10, le=10_000)
    """How often changes are looked for."""
    client_timeout_s: float = Field(3600.0, ge=0)
    """A client that asks nothing for this long is dropped; 0: only one that is known to be gone."""
    max_clients: int = Field(64, ge=1, le=10_000)


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9:_-]*$")]


class Settings(_Table):
    """The whole tree; every key has a default, so an empty file is a valid one."""

    mode: Literal["sim", "paper", "live"] = "sim"
    engine: EngineSettings = EngineSettings()
    feeds: dict[Name, FeedSettings] = {"binance": FeedSettings()}
    venues: dict[Name, VenueSettings] = {"binance": VenueSettings()}
    paper: PaperSettings = PaperSettings()
    store: StoreSettings = StoreSettings()
    trading: TradingSettings = TradingSettings()
    risk: RiskSettings = RiskSettings()
    watchdog: WatchdogSettings = WatchdogSettings()
    strategies: dict[Name, StrategySettings] = {"rsi": StrategySettings(kind="rsi")}
    models: dict[Name, ModelSettings] = {"tiny-1m": ModelSettings()}
    tui: TuiSettings = TuiSettings()
    emulator: EmulatorSettings = EmulatorSettings()
    udp: UdpSettings = UdpSettings()
    keys: KeysSettings = KeysSettings()
    audit: AuditSettings = AuditSettings()
