"""Reads and writes the settings: TOML file, ``CLX_*`` variables, and clear refusals."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeGuard, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from core.model.errors import ConfigError, did_you_mean
from core.model.settings import Settings
from store.atomic import write_atomically

PREFIX: Final = "CLX_"
SEPARATOR: Final = "__"
"""``CLX_RISK__MAX_ORDER_NOTIONAL=1000`` sets ``risk.max_order_notional``."""


def load_settings(path: Path, env: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; a missing file means the defaults.

    Raises:
        ConfigError: The file cannot be read or parsed, a key is unknown or a value is wrong; the
            message names file, key, value and what is allowed.
    """
    tree = _read(path)
    sources = dict.fromkeys(_leaves(tree), str(path))
    for variable, value in sorted(env.items()):
        if not variable.startswith(PREFIX) or SEPARATOR not in variable:
            continue
        keys = variable[len(PREFIX) :].lower().split(SEPARATOR)
        _put(tree, keys, _literal(value), variable)
        sources[".".join(keys)] = variable
    return _validate(tree, sources)


def set_in_file(path: Path, key: str, value: str) -> None:
    """Set ``section.key`` in the file, keeping its comments; the write is atomic.

    Raises:
        ConfigError: The key or the value is wrong; the file is then left as it was.
    """
    import tomlkit

    keys = key.split(".")
    text = path.read_text() if path.exists() else ""
    tree = _read(path)
    _put(tree, keys, _literal(value), key)
    _validate(tree, {key: "the command line"})
    document = tomlkit.parse(text)
    node: Any = document
    for part in keys[:-1]:
        if part not in node:
            node[part] = tomlkit.table()
        node = node[part]
    node[keys[-1]] = _literal(value)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, tomlkit.dumps(document).encode())


def flatten(settings: Settings) -> dict[str, str]:
    """Return every setting as ``key: text``, secrets as stars, in the tree's order."""
    out: dict[str, str] = {}

    def walk(value: object, prefix: str) -> None:
        if isinstance(value, BaseModel):
            for name in type(value).model_fields:
                walk(getattr(value, name), f"{prefix}{name}.")
        elif isinstance(value, dict) and value and prefix.count(".") < 3:
            for name, item in value.items():
                walk(item, f"{prefix}{name}.")
        elif isinstance(value, SecretStr):
            out[prefix[:-1]] = "***" if value.get_secret_value() else ""
        elif isinstance(value, tuple):
            out[prefix[:-1]] = ", ".join(str(item) for item in value)
        else:
            out[prefix[:-1]] = str(value)

    walk(settings, "")
    return out


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from None


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    out: list[str] = []
    for key, value in tree.items():
        if isinstance(value, dict):
            out += _leaves(value, f"{prefix}{key}.")
        out.append(f"{prefix}{key}")
    return out


def _literal(text: str) -> Any:
    """Read a value as TOML would; what is no TOML literal is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _put(tree: dict[str, Any], keys: list[str], value: Any, source: str) -> None:
    node = tree
    for key in keys[:-1]:
        child = node.setdefault(key, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{source}: {key} is a value, not a table")
        node = child
    node[keys[-1]] = value


def _validate(tree: dict[str, Any], sources: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        found = error.errors(include_url=False)
    lines = [
        _explain(item["loc"], item["type"], item["msg"], item["input"], sources) for item in found
    ]
    raise ConfigError("\n".join(lines))


def _explain(
    loc: tuple[int | str, ...], kind: str, message: str, value: object, sources: Mapping[str, str]
) -> str:
    parts = [str(part) for part in loc if part != "[key]"]
    key = ".".join(parts)
    source = next(
        (
            sources[".".join(parts[:n])]
            for n in range(len(parts), 0, -1)
            if ".".join(parts[:n]) in sources
        ),
        "settings",
    )
    if kind == "extra_forbidden":
        known = _fields_at(parts[:-1])
        return f"unknown key {key} ({source}){did_you_mean(parts[-1], known)}"
    shown = "***" if {"api_key", "api_secret", "passphrase"} & set(parts) else repr(value)
    if kind in {"dict_type", "model_type", "model_attributes_type"}:
        return f"{key} must be a table, was {shown} ({source}): {_as_table(parts)}"
    words = message[0].lower() + message[1:]
    if kind == "missing":
        return f"{key} is missing ({source}): {words}"
    return f"{key}: {words}, was {shown} ({source})"


def _as_table(parts: list[str]) -> str:
    """Return how a table is written in the file."""
    name = ".".join(parts)
    node = _annotation_at(parts)
    if _is_model(node):
        return f"write [{name}] and its keys below it"
    if any(_is_model(item) for item in get_args(node)):
        return f"write [{name}.<name>] for each of them, and its keys below it"
    return f"write [{name}] and a line `name = value` for each of them"


def _fields_at(parts: list[str]) -> list[str]:
    """Return the known keys of the table at a path of the tree."""
    node = _annotation_at(parts)
    return list(node.model_fields) if _is_model(node) else []


def _annotation_at(parts: list[str]) -> object:
    """Return the type of what stands at a path of the tree, None where nothing does."""
    node: object = Settings
    for part in parts:
        if _is_model(node):
            field = node.model_fields.get(part)
            node = field.annotation if field is not None else None
        else:
            node = next((item for item in get_args(node) if _is_model(item)), None)
    return node


def _is_model(item: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(item, type) and issubclass(item, BaseModel)
