"""Looks for what is wrong with this installation and says what to do about it."""

from __future__ import annotations

import importlib.metadata
import locale
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import click
import msgspec

from clx.cli.exits import Exit
from clx.cli.output import format_option, print_json, print_table
from core.model.errors import ClxError
from core.model.wording import counted
from store.paths import Paths, find_paths, make_folders

Level: TypeAlias = Literal["ok", "note", "WRONG"]
LOW_DISK_BYTES = 512 * 1024 * 1024


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at."""

    what: str
    level: Level
    text: str


@click.command()
@format_option
def doctor(style: str) -> int:
    """Check Python, packages, folders, settings, journal, engine and terminal."""
    findings = list(examine(find_paths()))
    if style == "json":
        print_json(findings)
    else:
        print_table(
            ("what", "", "finding"), [(f.what, f.level, f.text) for f in findings], "nothing"
        )
    return Exit.REFUSED if any(f.level == "WRONG" for f in findings) else Exit.OK


def examine(paths: Paths) -> Iterator[Finding]:
    """Yield findings, cheapest first."""
    yield _python()
    yield from _packages()
    yield from _folders(paths)
    yield _settings(paths)
    yield from _keys(paths)
    yield _audit(paths)
    yield from _engine(paths)
    yield _watchdog(paths)
    yield from _journals(paths)
    yield from _terminal()


def _python() -> Finding:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    good = sys.version_info >= (3, 11)
    return Finding(what="python", level="ok" if good else "WRONG", text=text)


def _packages() -> Iterator[Finding]:
    for name in ("textual", "numpy", "numba", "onnxruntime", "msgspec", "aiohttp", "websockets"):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(what=name, level="WRONG", text="is missing; run `make install` again")
        else:
            yield Finding(what=name, level="ok", text=version)


def _folders(paths: Paths) -> Iterator[Finding]:
    try:
        make_folders(paths)
    except ClxError as error:
        yield Finding(what="folders", level="WRONG", text=str(error))
        return
    for name, folder in (("data", paths.data), ("cache", paths.cache)):
        free = shutil.disk_usage(folder).free
        level: Level = "ok" if free > LOW_DISK_BYTES else "WRONG"
        yield Finding(what=name, level=level, text=f"{folder}, {free / 1e9:,.1f} GB free")
    mode = paths.runtime.stat().st_mode & 0o777
    yield Finding(
        what="runtime",
        level="ok" if mode == 0o700 else "WRONG",
        text=f"{paths.runtime}, mode {mode:o}",
    )


def _settings(paths: Paths) -> Finding:
    from store.settings import load_settings

    try:
        settings = load_settings(paths.config_file)
    except ClxError as error:
        return Finding(what="settings", level="WRONG", text=str(error).replace("\n", "; "))
    there = paths.config_file if paths.config_file.exists() else "defaults, no file"
    return Finding(what="settings", level="ok", text=f"mode {settings.mode}, {there}")


def _keys(paths: Paths) -> Iterator[Finding]:
    from clx.accounts import inline_keys
    from store.settings import load_settings

    file = paths.key_file
    if not file.exists():
        yield Finding(what="keys", level="note", text=f"no key file at {file}")
    elif (mode := file.stat().st_mode & 0o777) != 0o600:
        text = f"{file}, mode {mode:o}: others may read it; run chmod 600 {file}"
        yield Finding(what="keys", level="WRONG", text=text)
    else:
        yield Finding(what="keys", level="ok", text=f"{file}, encrypted, mode 600")
    try:
        found = inline_keys(load_settings(paths.config_file))
    except ClxError:
        return  # told above
    if found:
        text = f"{', '.join(found)}: better kept by `clx keys add`"
        yield Finding(what="keys", level="note", text=text)


def _audit(paths: Paths) -> Finding:
    from store.audit.check import verify_log

    verdict = verify_log(paths.audit)
    if verdict.flaws:
        text = f"{paths.audit}: {verdict.flaws[0]}; `clx audit verify` tells all"
        return Finding(what="audit", level="WRONG", text=text)
    return Finding(
        what="audit", level="ok", text=f"{paths.audit}, {counted(verdict.lines, 'line')}, whole"
    )


def _engine(paths: Paths) -> Iterator[Finding]:
    from clx.sim import running_emulator
    from clx.spawn import engine_answers

    if engine_answers(paths.socket):
        yield Finding(what="engine", level="ok", text=f"answers at {paths.socket}")
    else:
        stale = " (a stale socket is there; the next start removes it)"
        text = f"none at {paths.socket}{stale if paths.socket.exists() else ''}"
        yield Finding(what="engine", level="note", text=text)
    emulator = running_emulator(paths)
    text = f"pid {emulator.pid}, port {emulator.port}" if emulator else "does not run"
    yield Finding(what="emulator", level="note", text=text)


def _watchdog(paths: Paths) -> Finding:
    from clx.cli.watching import watchdog_line

    well, text = watchdog_line(paths)
    return Finding(what="watchdog", level="note" if well else "WRONG", text=text)


def _journals(paths: Paths) -> Iterator[Finding]:
    found = sorted(paths.data.glob("journal-*.sqlite"))
    if not found:
        yield Finding(what="journal", level="note", text=f"none yet in {paths.data}")
    for path in found:
        yield Finding(
            what="journal", level="ok", text=f"{path}, {path.stat().st_size / 1e6:,.1f} MB"
        )


def _terminal() -> Iterator[Finding]:
    env = os.environ
    encoding = locale.getpreferredencoding(False)
    yield Finding(
        what="locale",
        level="ok" if encoding.upper().replace("-", "") == "UTF8" else "WRONG",
        text=f"{encoding}" if encoding.upper() == "UTF-8" else f"{encoding}; set LANG=C.UTF-8",
    )
    colour = "none (NO_COLOR)" if env.get("NO_COLOR") else env.get("COLORTERM") or "16 or 256"
    size = shutil.get_terminal_size()
    where = " over ssh" if env.get("SSH_CONNECTION") else ""
    where += " in tmux" if env.get("TMUX") else ""
    yield Finding(
        what="terminal",
        level="ok" if size.columns >= 80 and size.lines >= 24 else "note",
        text=f"{env.get('TERM', 'unknown')}, colour {colour}, {size.columns}x{size.lines}{where}",
    )


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:,.1f} MB"
