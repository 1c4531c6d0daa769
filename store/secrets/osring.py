"""The system's keyring as a vault, through the `keyring` library.

A keyring has no list of its own, so the names of what is kept stand in an item beside it. Every
call has a time limit: a locked Secret Service whose question nobody sees never answers
(https://github.com/mitya57/secretstorage/issues/33).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from core.model.credentials import AccountName
from core.model.errors import DataError, StoreError, TemporaryError
from store.secrets.entry import Entry, decode, encode

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

_INDEX: Final = "accounts"
_PLAIN: Final = ("keyrings.alt", "keyring.backends.fail", "keyring.backends.null")
"""Backends that keep nothing, or keep it where anybody can read it."""

T = TypeVar("T")


class KeyringVault:
    """Accounts in the keyring of the person's session; a `store.secrets.accounts.Vault`.

    Args:
        service: The name its items stand under; engines with homes of their own do not meet.
        timeout_s: How long the keyring may take, a person's answer on the desktop included.
        backend: In place of the one the library chooses.
    """

    kind = "keyring"

    def __init__(
        self, service: str, timeout_s: float, backend: KeyringBackend | None = None
    ) -> None:
        self._service = service
        self._timeout_s = timeout_s
        self._backend = backend

    def __repr__(self) -> str:
        return f"KeyringVault({self._service!r})"

    def usable(self) -> bool:
        """Return whether this machine has a keyring that keeps secrets."""
        if self._backend is None:
            import keyring

            self._backend = self._timed(keyring.get_keyring)
        return any(_safe(part) for part in _parts(self._backend))

    def exists(self) -> bool:
        """Return whether anything is kept here."""
        return self.usable() and bool(self._names())

    def entries(self) -> list[Entry]:
        """Return every account.

        Raises:
            StoreError: The keyring refuses, or an item is damaged.
            TemporaryError: It did not answer in time.
        """
        if not self.usable():
            return []
        found = []
        for name in self._names():
            entry = self._get(name)
            if entry is not None:
                found.append(entry)
        return found

    def put(self, entry: Entry) -> None:
        """Keep an account, in place of one of its name; raises as `entries`."""
        names = self._names()
        if entry.account not in names:
            # First, so that no secret is ever kept that the list does not name.
            self._set(_INDEX, "\n".join(sorted({*names, entry.account})))
        self._set(f"account {entry.account}", encode([entry]).decode())

    def remove(self, account: AccountName) -> bool:
        """Forget an account; return whether it was there. Raises as `entries`."""
        if not self.usable():
            return False
        names = self._names()
        if account not in names:
            return False
        there = self._get(account) is not None
        if there:
            backend = self._opened()
            self._timed(lambda: backend.delete_password(self._service, f"account {account}"))
        self._set(_INDEX, "\n".join(sorted({*names} - {account})))
        return there

    def _names(self) -> list[AccountName]:
        backend = self._opened()
        text = self._timed(lambda: backend.get_password(self._service, _INDEX)) or ""
        return [AccountName(name) for name in text.split("\n") if name]

    def _get(self, account: AccountName) -> Entry | None:
        backend, item = self._opened(), f"account {account}"
        text = self._timed(lambda: backend.get_password(self._service, item))
        if text is None:
            return None
        try:
            return next(iter(decode(text.encode())), None)
        except DataError as error:
            raise StoreError(
                f"the keyring's item {self._service!r} / {item!r} is {error}; remove it with your "
                f"keyring's own program and `clx keys add` {account} again"
            ) from None

    def _set(self, item: str, text: str) -> None:
        backend = self._opened()
        self._timed(lambda: backend.set_password(self._service, item, text))

    def _opened(self) -> KeyringBackend:
        if self._backend is None or not self.usable():
            raise StoreError("this machine has no keyring; set keys.store = 'file'")
        return self._backend

    def _timed(self, call: Callable[[], T]) -> T:
        """Make a call in a thread of its own, so that it can be given up."""
        from keyring.errors import KeyringError

        answers: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

        def run() -> None:
            try:
                answers.put((call(), None))
            except BaseException as error:
                answers.put((None, error))

        # A daemon, for a call that never returns must not keep the program from ending.
        threading.Thread(target=run, name="keyring", daemon=True).start()
        try:
            value, error = answers.get(timeout=self._timeout_s)
        except queue.Empty:
            raise TemporaryError(
                f"the keyring did not answer within {self._timeout_s:g} s: is it locked, and its "
                "question on a desktop nobody sees? Unlock it, or set keys.store = 'file'"
            ) from None
        if isinstance(error, KeyringError):
            words = str(error) or type(error).__name__
            raise StoreError(f"the keyring refused: {words}; unlock it, or use keys.store = 'file'")
        if isinstance(error, Exception):
            # What a backend lets through of its own bus or library says as little as it can.
            raise StoreError(
                f"the keyring failed: {type(error).__name__}: {error}; see that it runs, or use"
                " keys.store = 'file'"
            )
        if error is not None:
            raise error
        return value  # type: ignore[return-value]  # T may itself be optional


def _parts(backend: KeyringBackend) -> list[KeyringBackend]:
    """Return what a chain of backends tries, in its order."""
    return list(getattr(backend, "backends", None) or [backend])


def _safe(backend: KeyringBackend) -> bool:
    return not type(backend).__module__.startswith(_PLAIN)
