"""An engine that dies at a chosen write boundary of the orders whose ids begin with a prefix.

``python crashing_daemon.py`` reads lines ``{"prefix": ..., "burn_at": [name, occurrence]}`` from
stdin. For each it forks the product's own daemon, with a journal, venues and wire that name what
they write for those orders, and kills it with SIGKILL at that boundary, if ever. When the daemon is
gone it prints one JSON line: how it ended, and the boundaries it passed. Forking instead of
starting saves imports, and what is loaded of compiled kernels, each time.
"""

import asyncio
import gc
import importlib
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clx import compose, daemon, sim, warm
from core.feeds.binance import dialect
from core.model.facts import JournalRecord
from core.model.ports import Journal
from core.venues.binance import rest
from core.wire import lines
from store.paths import find_paths, make_folders
from store.settings import load_settings


class Fuse:
    """Names the boundaries that some orders pass, and burns at one of them."""

    def __init__(self, prefix: str, burn_at: tuple[str, int] | None, passed: int) -> None:
        self._order = re.compile(rf"{re.escape(prefix)}-(\w+)")
        self._burn_at = burn_at
        self._log = passed
        self._times: Counter[str] = Counter()

    def order_in(self, text: str) -> str:
        """Return which order of ours a text names, empty when none."""
        found = self._order.search(text)
        return found[1] if found else ""

    def boundary(self, name: str) -> None:
        os.write(self._log, f"{name}\n".encode())
        self._times[name] += 1
        if self._burn_at == (name, self._times[name]):
            os.kill(os.getpid(), signal.SIGKILL)


class MortalJournal:
    """A journal whose process may die before or after a commit."""

    def __init__(self, journal: Journal, fuse: Fuse) -> None:
        self._journal = journal
        self._fuse = fuse
        self.read = journal.read
        self.close = journal.close

    def append(self, records: Sequence[JournalRecord]) -> int:
        tags = [
            f"{type(record).__name__} {order}"
            for record in records
            if (order := self._fuse.order_in(getattr(record, "client_order_id", "")))
        ]
        if not tags:
            return self._journal.append(records)
        self._fuse.boundary(f"before journal {'+'.join(tags)}")
        seq = self._journal.append(records)
        self._fuse.boundary(f"after journal {'+'.join(tags)}")
        return seq


class MortalAssembly(compose.Assembly):
    """The product's parts, with a journal and venues that may die."""

    fuse: Fuse

    def journal(self) -> Journal:
        return MortalJournal(super().journal(), self.fuse)

    def venues(self, engine: Callable[[], Any]) -> dict[Any, Any]:
        venues = super().venues(engine)
        for venue in venues.values():
            for name in ("submit", "cancel"):
                setattr(venue, name, self._mortal(name, getattr(venue, name)))
        return venues

    def _mortal(self, name: str, method: Callable[[Any], None]) -> Callable[[Any], None]:
        def call(subject: Any) -> None:
            order = self.fuse.order_in(getattr(subject, "client_order_id", None) or subject.id)
            if not order:
                method(subject)
                return
            self.fuse.boundary(f"before venue {name} {order}")
            method(subject)
            self.fuse.boundary(f"after venue {name} {order}")

        return call


def mortal_wire(fuse: Fuse) -> None:
    """Let requests die before and after their bytes are with the kernel, and after the answer."""
    ask = lines._Line.ask

    async def mortal(line: Any, request: bytes, timeout_s: float) -> Any:
        head = request.decode()
        order = fuse.order_in(head)
        if not order:
            return await ask(line, request, timeout_s)
        verb = head.partition(" ")[0]
        fuse.boundary(f"before bytes {verb} {order}")
        answer = asyncio.ensure_future(ask(line, request, timeout_s))
        await asyncio.sleep(0)  # one turn of the loop: asyncio's own transports write at once
        fuse.boundary(f"after bytes {verb} {order}")
        reply = await answer
        fuse.boundary(f"answered {verb} {order}")
        return reply

    lines._Line.ask = mortal  # type: ignore[method-assign]


def unlimited() -> None:
    """Start an engine a second without waiting for the venue's next minute of request weight."""
    rest.BinanceRest.__init__.__kwdefaults__["weight_per_minute"] = 10**9
    dialect.WEIGHT_LIMIT = 10**9  # type: ignore[misc]


def live(fuse: Fuse) -> None:
    """Be the daemon, from its settings to its end."""
    mortal_wire(fuse)
    unlimited()
    paths = find_paths()
    log = os.open(paths.engine_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    settings = load_settings(paths.config_file)
    emulator = sim.await_emulator(sim.start_emulator(settings.emulator, paths), paths)
    assembly = MortalAssembly(settings, paths, emulator)
    assembly.fuse = fuse
    asyncio.run(daemon._serve(assembly, ""))


def prepare() -> None:
    """Do once what every engine would do anew, and keep it out of their garbage collections."""
    importlib.import_module("aiohttp")
    for load in warm.kernels({"binance"}).values():
        load()
    gc.collect()
    gc.freeze()


def main() -> None:
    make_folders(find_paths())
    prepare()
    for line in sys.stdin:
        asked = json.loads(line)
        burn_at = tuple(asked["burn_at"]) if asked["burn_at"] else None
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            status = 1
            try:
                live(Fuse(asked["prefix"], burn_at, write))
                status = 0
            finally:
                os._exit(status)
        os.close(write)
        with os.fdopen(read) as passed:
            names = passed.read().splitlines()
        _, status = os.waitpid(child, 0)
        end = {"status": os.waitstatus_to_exitcode(status), "passed": names}
        sys.stdout.write(json.dumps(end) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
