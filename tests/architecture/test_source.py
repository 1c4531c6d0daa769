"""Rules of the house that read the source."""

import ast
import gc
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("api", "clx", "core", "emulator", "link", "store", "themes", "tui")
MAX_LINES = 600
MAX_FUNCTION_LINES = 80
TIME_READERS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}


def sources(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        yield from sorted((ROOT / room).rglob("*.py"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a file's tree, which several rules look through."""
    return tuple(ast.walk(ast.parse(path.read_text())))


@pytest.fixture(autouse=True, scope="module")
def _trees() -> Iterator[None]:
    """Look for no garbage among a million nodes that stay, and let them go at the end."""
    gc.disable()
    yield
    nodes.cache_clear()
    gc.enable()


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_file_is_longer_than_the_house_allows() -> None:
    files = [*sources(*ROOMS), *sources("tests", "bench")]
    long = {relative(p): n for p in files if (n := len(p.read_text().splitlines())) > MAX_LINES}
    assert not long


def test_no_function_is_longer_than_the_house_allows() -> None:
    long = []
    for path in sources(*ROOMS):
        for node in nodes(path):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                if size > MAX_FUNCTION_LINES:
                    long.append(f"{relative(path)}:{node.lineno} {node.name} {size}")
    assert not long


def test_no_file_without_a_noun() -> None:
    names = {"utils.py", "helpers.py", "manager.py", "common.py", "misc.py"}
    assert not [relative(path) for path in sources(*ROOMS) if path.name in names]


def test_only_the_clock_reads_the_time_in_core() -> None:
    guilty = []
    for path in sources("core"):
        # Training is an offline tool: it stamps its progress lines, no engine code runs there.
        if relative(path) == "core/engine/clock.py" or "/training/" in relative(path):
            continue
        for node in nodes(path):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = node.func.value
            if not isinstance(owner, ast.Name):
                continue
            if (owner.id == "time" and node.func.attr in TIME_READERS) or (
                owner.id in {"datetime", "dt"} and node.func.attr in {"now", "utcnow"}
            ):
                guilty.append(f"{relative(path)}:{node.lineno}")
    assert not guilty


def test_only_the_wire_opens_sockets_in_core() -> None:
    guilty = []
    for path in sources("core"):
        if relative(path).startswith("core/wire/"):
            continue
        for node in nodes(path):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            for name in names:
                if name.split(".")[0] in {"aiohttp", "websockets", "httpx", "requests"}:
                    guilty.append(f"{relative(path)}:{node.lineno} {name}")
    assert not guilty


@pytest.mark.parametrize("word", ["TODO", "FIXME", "NotImplementedError"])
def test_nothing_is_left_for_later(word: str) -> None:
    assert not [relative(path) for path in sources(*ROOMS) if word in path.read_text()]
