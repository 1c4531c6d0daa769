"""``python -m emulator``: run the emulated venue until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from emulator.app import Emulator
from emulator.binance.gate.auth import well_formed
from emulator.clock import WallClock
from emulator.venues import VENUES

_KEY_VARIABLE: Final = "CLX_EMULATOR_KEY"
_SECRET_VARIABLE: Final = "CLX_EMULATOR_SECRET"  # noqa: S105  (the variable's name, not a secret)


_BOUNDS: Final = (
    ("port", 0, 65_535),
    ("history_days", 2, 3_650),
    ("events_per_second", 1, 2_000),
    ("speed", 0.01, 1_000),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse arguments, serve, and return the exit status."""
    parser = _parser()
    args = parser.parse_args(argv)
    for name, least, most in _BOUNDS:
        value = getattr(args, name)
        if not least <= value <= most:
            option = name.replace("_", "-")
            parser.error(f"--{option} must be {least} to {most}, was {value:g}")
    args.venues = tuple(dict.fromkeys(args.venues.split(",")))
    if args.venues == ("all",):
        args.venues = tuple(VENUES)
    if unknown := [name for name in args.venues if name not in VENUES]:
        parser.error(f"--venues must be of {', '.join(VENUES)} or all, was {', '.join(unknown)}")
    if (key := os.environ.get(_KEY_VARIABLE)) and not well_formed(key):
        parser.error(f"{_KEY_VARIABLE} must be 8-128 of [A-Za-z0-9_-], was {len(key)} characters")
    with contextlib.suppress(KeyboardInterrupt):
        return asyncio.run(_serve(args))
    return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m emulator",
        description="Exchanges on 127.0.0.1 over one simulated market.",
        epilog=f"The API key pair is taken from {_KEY_VARIABLE} and {_SECRET_VARIABLE}, "
        "or made anew and written to the state file.",
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same history")
    parser.add_argument("--history-days", type=int, default=730, help="days of 1m bars before now")
    parser.add_argument(
        "--events-per-second", type=float, default=80.0, help="order flow per instrument"
    )
    parser.add_argument(
        "--state-file", type=Path, required=True, help="written (mode 0600) when ready"
    )
    parser.add_argument(
        "--venues", default="binance", help=f"of {','.join(VENUES)}; all for every one"
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, help="market seconds in a second, as far as it can"
    )
    parser.add_argument(
        "--state-dir", type=Path, help="remember everything asked for here, and begin with it"
    )
    parser.add_argument("--no-flow", action="store_true", help="a market that stands still")
    return parser


async def _serve(args: argparse.Namespace) -> int:
    api_key = os.environ.get(_KEY_VARIABLE) or secrets.token_hex(32)
    api_secret = os.environ.get(_SECRET_VARIABLE) or secrets.token_hex(32)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        emulator = Emulator(
            seed=args.seed,
            port=args.port,
            api_key=api_key,
            api_secret=api_secret,
            control_token=secrets.token_hex(16),
            history_days=args.history_days,
            events_per_second=args.events_per_second,
            flow=not args.no_flow,
            clock=WallClock(args.speed),
            venues=args.venues,
            state_dir=args.state_dir,
        )
    except ValueError as error:
        print(f"emulator: {error}", file=sys.stderr)  # noqa: T201
        return 1
    try:
        await emulator.start()
    except OSError as error:
        print(f"emulator: cannot listen on 127.0.0.1:{args.port}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    state = emulator.state(os.getpid(), api_key, api_secret)
    write_state(args.state_file, state)
    public = {name: value for name, value in state.items() if name not in _UNSAID}
    print(json.dumps(public), flush=True)  # noqa: T201  (the program's one line of output)
    try:
        await emulator.run_until(stop)
    finally:
        await emulator.stop()
        args.state_file.unlink(missing_ok=True)
    return 0


_UNSAID: Final = ("api_secret", "control_token")


def write_state(path: Path, state: dict[str, object]) -> None:
    """Write the state file whole or not at all, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(state, file)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    raise SystemExit(main())
