"""Message types are worked out before threads can meet over them."""

import subprocess
import sys
from pathlib import Path

import msgspec

from clx.structs import settle_structs

MEETING = """
import sys, threading
import msgspec
from clx.structs import settle_structs

sys.setswitchinterval(1e-6)
made = [
    msgspec.defstruct(f"A{n}", [("a", str), ("b", list[dict[str, int]], []), ("c", int, 0)])
    for n in range(1500)
]
assert settle_structs() >= 1500
body = b'[{"a":"x","b":[{"q":1}],"c":3}]'
for kind in made:
    gate = threading.Barrier(2)
    def use(kind=kind, gate=gate):
        gate.wait()
        msgspec.json.decode(body, type=list[kind])
    threads = [threading.Thread(target=use) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
"""


def test_two_threads_may_use_a_settled_type_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEETING], cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == 0, "the interpreter died, as msgspec's own first use lets it"


def test_a_type_that_names_what_is_not_imported_is_left_alone() -> None:
    class Root(msgspec.Struct):
        pass

    class Odd(Root):
        what: "Nowhere"  # type: ignore[name-defined]  # noqa: F821  that is the point

    class Plain(Root):
        number: int

    class Deeper(Plain):
        text: str = ""

    assert settle_structs(Root) == 2
