"""Finds a strategy's class: a built-in by name, or the one class in a user's file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Final

from core.model.errors import ConfigError, did_you_mean
from core.strategies.api import Strategy
from core.strategies.failure import failure

BUILT_IN: Final[dict[str, tuple[str, str]]] = {"rsi": ("core.strategies.rsi", "Rsi")}
"""Built-in strategies: name to module and class."""


def is_file(kind: str) -> bool:
    """Return whether a strategy's kind is a path and not a built-in's name."""
    return kind.endswith(".py") or "/" in kind


def load(kind: str) -> type[Strategy]:
    """Return a strategy's class. A file's code runs, so do this where it may die.

    Raises:
        ConfigError: There is no such built-in or file, or the file does not hold exactly one
            strategy; says which line.
    """
    if is_file(kind):
        return _from_file(Path(kind).expanduser())
    if kind not in BUILT_IN:
        hint = did_you_mean(kind, BUILT_IN)
        raise ConfigError(
            f"unknown strategy kind {kind!r}{hint}; built in: {', '.join(BUILT_IN)};"
            " a file of yours is a path such as ./dip.py"
        )
    module, name = BUILT_IN[kind]
    owner: type[Strategy] = getattr(importlib.import_module(module), name)
    return owner


def _from_file(path: Path) -> type[Strategy]:
    if not path.is_file():
        raise ConfigError(f"strategy file {path} does not exist")
    name = f"clx_strategy_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"strategy file {path} must be a Python file ending in .py")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    sys.modules[name] = module
    sys.path.append(folder)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        # The file is the user's: it may raise anything while it is read.
        raise ConfigError(f"strategy file {path}: {failure(error, str(path))}") from error
    finally:
        sys.path.remove(folder)
    return _only_strategy(path, vars(module), name)


def _only_strategy(path: Path, names: dict[str, object], module: str) -> type[Strategy]:
    found = [
        item
        for item in dict.fromkeys(value for value in names.values() if inspect.isclass(value))
        if issubclass(item, Strategy) and item.__module__ == module
    ]
    leaves = [item for item in found if not any(other.__base__ is item for other in found)]
    if len(leaves) == 1:
        return leaves[0]
    if not leaves:
        raise ConfigError(
            f"strategy file {path} must hold one class based on core.strategies.api.Strategy,"
            " it holds none"
        )
    places = ", ".join(
        f"{item.__name__} (line {item.__firstlineno__})"
        if hasattr(item, "__firstlineno__")
        else item.__name__
        for item in leaves
    )
    raise ConfigError(f"strategy file {path} must hold one strategy, it holds {places}")
