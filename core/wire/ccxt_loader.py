"""Load one exchange of ccxt.pro without the other hundred.

``import ccxt.pro`` runs package files that import every exchange: a third of a second and 110 MB.
Empty packages stand in for them while one exchange is imported, and are taken away again, so that
whoever imports ccxt as a whole later gets it as a whole.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from urllib.parse import urlsplit

from core.model.errors import ConfigError, did_you_mean

_PACKAGES: Final = ("ccxt", "ccxt.async_support", "ccxt.pro")
_EXCHANGES: Final = frozenset({"ccxt.async_support", "ccxt.pro"})
_BASES: Final = ("ccxt.base.errors", "ccxt.base.exchange", "ccxt.base.precise")
"""Where the whole package has its own names from."""

_NOT_ONES: Final = frozenset({"__init__"})


def exchanges() -> list[str]:
    """Return the names of the exchanges that stream; imports nothing.

    Raises:
        ConfigError: ccxt is not installed.
    """
    return sorted(
        path.stem for path in (_root() / "pro").glob("*.py") if path.stem not in _NOT_ONES
    )


def load(exchange: str) -> type[Any]:
    """Return the class of an exchange.

    Raises:
        ConfigError: ccxt is not installed or does not know the exchange.
    """
    known = exchanges()
    if exchange not in known:
        raise ConfigError(f"ccxt.pro knows no exchange {exchange!r}{did_you_mean(exchange, known)}")
    with _stand_ins(_root()):
        found: type[Any] = getattr(importlib.import_module(f"ccxt.pro.{exchange}"), exchange)
    return found


def errors() -> ModuleType:
    """Return ccxt's module of errors; light, and the same whoever loads it."""
    with _stand_ins(_root()):
        return importlib.import_module("ccxt.base.errors")


def moved(urls: Any, bases: Mapping[str, str]) -> Any:
    """Return ccxt's tree of URLs with the hosts of some schemes replaced, their paths kept.

    `bases` has the new begin for ``http`` and ``ws``, empty to leave them alone:
    ``https://api.binance.com/api/v3`` becomes ``http://127.0.0.1:4711/api/v3``.
    """
    if isinstance(urls, dict):
        return {name: moved(url, bases) for name, url in urls.items()}
    if not isinstance(urls, str):
        return urls
    kind = "ws" if urls.startswith("ws") else "http"
    base = bases.get(kind, "")
    if not base:
        return urls
    # A template such as https://{hostname}/api has no host yet, and needs none any more.
    return base.rstrip("/") + urlsplit(urls.replace("{", "").replace("}", "")).path


def _root() -> Path:
    spec = find_spec("ccxt")
    if spec is None or spec.origin is None:
        raise ConfigError("feeds and venues of kind ccxt:... need the package ccxt: install it")
    return Path(spec.origin).parent


class _Package(ModuleType):
    """A package whose names are the classes of its modules, imported when they are asked for."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep the class where the import system would set the module of the same name."""
        if isinstance(value, ModuleType) and self.__name__ in _EXCHANGES:
            value = getattr(value, name, value)
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if self.__name__ in _EXCHANGES:
            importlib.import_module(f"{self.__name__}.{name}")
            return self.__dict__[name]
        for base in _BASES:
            module = importlib.import_module(base)
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


@contextmanager
def _stand_ins(root: Path) -> Iterator[None]:
    """Have stand-ins for the packages, unless ccxt was imported as a whole already."""
    if any(name in sys.modules for name in _PACKAGES):
        yield
        return
    for name in _PACKAGES:
        package: Any = _Package(name)
        package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    whole: Any = sys.modules["ccxt"]
    whole.async_support = sys.modules["ccxt.async_support"]
    whole.pro = sys.modules["ccxt.pro"]
    try:
        yield
    finally:
        for name in _PACKAGES:
            if isinstance(sys.modules.get(name), _Package):
                del sys.modules[name]
