"""Message types are worked out before threads can meet over them."""

import subprocess
import sys
from pathlib import Path

import msgspec

from clx.structs import settle_structs

MEETING = """
import sys, threading, types
import msgspec
from clx.structs import settle_structs

SOURCE = '''
import msgspec
class Outer(msgspec.Struct):
    a: "str"
    b: "list[dict[str, int]]" = []
    c: "Inner | None" = None
class Inner(msgspec.Struct):
    x: "dict[str, list[int]]" = {}
'''
made = []
for number in range(1500):
    module = sys.modules[f"made{number}"] = types.ModuleType(f"made{number}")
    exec(SOURCE, module.__dict__)
    made.append(module.Outer)
if sys.argv[1] == "settled":
    assert settle_structs() >= 3000
body = b'[{"a":"x","b":[{"q":1}],"c":{"x":{"k":[1,2]}}}]'
sys.setswitchinterval(1e-6)
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
        [sys.executable, "-c", MEETING, "settled"], cwd=Path(__file__).parents[2], check=False
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
