"""Opens the terminal face: what `clx` alone does, and as little else as can be.

Nothing here imports click: everything before the first paint is waited for.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from store.paths import find_paths, make_folders

if TYPE_CHECKING:
    from clx.spawn import Starting
    from core.model.settings import Settings
    from link.port import EngineLink


def open_terminal() -> int:
    """Start the engine when none runs, and open the terminal without waiting for it."""
    from core.model.errors import ClxError

    paths = find_paths()
    try:
        make_folders(paths)
        from clx.spawn import start_engine

        starting = start_engine(paths)
    except ClxError as error:
        sys.stderr.write(f"clx: {error}\n")
        return 2
    from link.client import UnixLink

    return show(UnixLink(paths.socket), starting)


def show(link: EngineLink, starting: Starting | None = None) -> int:
    """Run the terminal face on a link until it is closed; returns an exit code."""
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        sys.stderr.write(
            "clx: the terminal needs a tty; the verbs work without one: clx watch, clx positions\n"
        )
        return 2
    # The app switches it on again after the first paint; imports only give it work.
    gc.disable()
    from clx.cli.hangup import end_with_terminal
    from tui.app import ClxApp

    end_with_terminal(sys.stdin.fileno())
    app = ClxApp(
        link,
        theme=_theme(),
        load_settings=_load_settings,
        why_no_engine=starting.why_not if starting is not None else str,
        starting=starting is not None and starting.process is not None,
        exports=find_paths().exports,
    )
    app.run()
    return app.return_code or 0


def _theme() -> str:
    """Read only the theme's name: the whole tree costs 80 ms before the first paint."""
    try:
        text = find_paths().config_file.read_text()
        if "theme" not in text:
            return "clx-dark"
        import tomllib

        tree = tomllib.loads(text)
    except (OSError, ValueError):
        return "clx-dark"
    name = tree.get("tui", {}).get("theme", "clx-dark")
    return name if isinstance(name, str) else "clx-dark"


def _load_settings() -> Settings:
    from clx.accounts import without_keys
    from store.settings import load_settings

    # Keys that stand in the settings are the engine's to use, never a face's.
    return without_keys(load_settings(find_paths().config_file))
