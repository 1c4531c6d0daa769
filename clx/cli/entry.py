"""The `clx` command: straight to the terminal, or to a verb."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line; errors of ours become one clear line and a stable exit code."""
    if len(sys.argv) == 1:
        # The shortest way to the first paint: click alone costs 30 ms, and imports make no
        # garbage, only work for its collector, which the app switches on again.
        gc.disable()
        from clx.cli.opening import open_terminal

        sys.exit(open_terminal())
    from clx.cli.exits import run
    from clx.cli.verbs import cli

    sys.exit(run(cli))
