"""Where clx keeps things: XDG folders, or everything under ``CLX_HOME``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from core.model.errors import ConfigError


class Paths(msgspec.Struct, frozen=True, kw_only=True):
    """The folders and files of one engine."""

    config: Path
    """Folder of ``config.toml`` and the user's themes and strategies."""
    data: Path
    """Folder of the journal, predictions, reports and tapes."""
    cache: Path
    """Folder of what can be made again, such as compiled kernels."""
    runtime: Path
    """Folder of sockets and pid files; only its owner may enter."""

    @property
    def config_file(self) -> Path:
        """The settings file; it need not exist."""
        return self.config / "config.toml"

    @property
    def key_file(self) -> Path:
        """Secrets of accounts, encrypted (0600); it need not exist."""
        return self.config / "keys.sealed"

    @property
    def audit(self) -> Path:
        """Folder of the log of who did what."""
        return self.data / "audit"

    @property
    def socket(self) -> Path:
        """The engine's doorway."""
        return self.runtime / "engine.sock"

    @property
    def engine_log(self) -> Path:
        """What the daemon prints and logs."""
        return self.data / "engine.log"

    @property
    def emulator_state(self) -> Path:
        """Port and keys of the running emulator (0600)."""
        return self.runtime / "emulator.json"

    def journal(self, mode: str) -> Path:
        """Return the journal of orders and money of a mode; modes never mix."""
        return self.data / f"journal-{mode}.sqlite"

    @property
    def watchlist(self) -> Path:
        """The watchlist as edited by hand; it need not exist."""
        return self.data / "watchlist.json"

    @property
    def market_data(self) -> Path:
        """Bars, trades and their quality."""
        return self.data / "market.sqlite"

    @property
    def tapes(self) -> Path:
        """Folder of raw-frame tapes."""
        return self.data / "tapes"

    @property
    def round_trips(self) -> Path:
        """How long venues took to answer."""
        return self.data / "roundtrips.json"

    @property
    def margin_tiers(self) -> Path:
        """What margin venues want by size."""
        return self.data / "tiers.json"

    @property
    def exports(self) -> Path:
        """Folder of lists exported as CSV."""
        return self.data / "exports"

    @property
    def reports(self) -> Path:
        """Folder of backtest reports."""
        return self.data / "reports"


def find_paths(env: Mapping[str, str] = os.environ) -> Paths:
    """Work out the folders from the environment; nothing is created.

    ``CLX_HOME`` puts everything under one folder; else the XDG variables and their defaults hold.
    """
    home = env.get("CLX_HOME")
    if home:
        root = Path(home).expanduser().absolute()
        return Paths(config=root, data=root / "data", cache=root / "cache", runtime=root / "run")
    user = Path(env.get("HOME") or Path.home())

    def folder(variable: str, default: Path) -> Path:
        return Path(env.get(variable) or default) / "clx"

    base = env.get("XDG_RUNTIME_DIR")
    runtime = Path(base) / "clx" if base else Path("/tmp") / f"clx-{os.getuid()}"  # noqa: S108  made 0700 and its owner checked
    return Paths(
        config=folder("XDG_CONFIG_HOME", user / ".config"),
        data=folder("XDG_DATA_HOME", user / ".local" / "share"),
        cache=folder("XDG_CACHE_HOME", user / ".cache"),
        runtime=runtime,
    )


def make_folders(paths: Paths) -> None:
    """Create the folders; the runtime and data folders are closed to others.

    Raises:
        ConfigError: A folder cannot be made, or the runtime folder belongs to somebody else.
    """
    for folder in (paths.config, paths.data, paths.cache, paths.runtime):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigError(
                f"cannot make folder {folder}: {error.strerror}; set CLX_HOME to a folder of yours"
            ) from None
    status = paths.runtime.stat()
    if status.st_uid != os.getuid():
        raise ConfigError(
            f"runtime folder {paths.runtime} belongs to uid {status.st_uid}, not to you "
            f"(uid {os.getuid()}); set XDG_RUNTIME_DIR or CLX_HOME to a folder of yours"
        )
    paths.runtime.chmod(0o700)
