"""How soon a thread goes on once what it waited for is there, while other programs are busy.

Linux (6.12 and later) lets a thread that wakes up go ahead of one that asked for longer turns, up
to its fair share. Nobody needs a right for that, and what a thread may use in all stays the same:
https://docs.kernel.org/scheduler/sched-eevdf.html. Other systems, and older kernels, go on as ever.
"""

from __future__ import annotations

import ctypes
import platform
import struct
import sys
from typing import Final, NamedTuple

TURN_NS: Final = 100_000
"""The shortest turn there is; a thread that waits for disks and sockets needs no longer ones."""
_CALLS: Final = {
    "x86_64": (314, 315), "AMD64": (314, 315), "aarch64": (274, 275), "riscv64": (274, 275),
}  # fmt: skip
"""Numbers of sched_setattr(2) and sched_getattr(2), for which C libraries have no names yet."""
_LAYOUT: Final = struct.Struct("=IIQiIQQQ")
"""struct sched_attr: size, policy, flags, nice, priority, turn ns, deadline ns, period ns."""
_ORDINARY: Final = frozenset({0, 3})
"""SCHED_OTHER and SCHED_BATCH; the classes of others have deadlines and priorities instead."""
_RESET_ON_FORK: Final = 0x01


class Turns(NamedTuple):
    """How a thread is scheduled."""

    policy: int
    flags: int
    nice: int
    turn_ns: int
    """0: the kernel offers no choice."""


def short_turns() -> bool:
    """Have the calling thread go on soon after each wait; return whether the system does that.

    Threads and processes it starts from now on are ordinary ones again.
    """
    calls, now = _calls(), turns_of(0)
    if calls is None or now is None or now.policy not in _ORDINARY:
        return False
    flags = now.flags | _RESET_ON_FORK
    wanted = _LAYOUT.pack(_LAYOUT.size, now.policy, flags, now.nice, 0, TURN_NS, 0, 0)
    if ctypes.CDLL(None).syscall(calls[0], 0, ctypes.create_string_buffer(wanted), 0) != 0:
        return False  # a sandbox forbids the call
    after = turns_of(0)
    return after is not None and after.turn_ns == TURN_NS


def turns_of(thread_id: int) -> Turns | None:
    """Return how a thread is scheduled, 0 being the calling one; None where nothing tells."""
    calls = _calls()
    if calls is None:
        return None
    buffer = ctypes.create_string_buffer(_LAYOUT.size)
    if ctypes.CDLL(None).syscall(calls[1], thread_id, buffer, _LAYOUT.size, 0) != 0:
        return None
    _, policy, flags, nice, _, turn_ns, _, _ = _LAYOUT.unpack(buffer.raw)
    return Turns(policy, flags, nice, turn_ns)


def _calls() -> tuple[int, int] | None:
    return _CALLS.get(platform.machine()) if sys.platform == "linux" else None
