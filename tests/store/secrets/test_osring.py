import threading
from collections.abc import Callable

import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringLocked, PasswordDeleteError

from core.model.errors import StoreError, TemporaryError
from store.secrets.entry import Entry
from store.secrets.osring import KeyringVault

Make = Callable[..., Entry]


class Ring(KeyringBackend):
    """A keyring in memory, through the library's own interface."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[tuple[str, str], str] = {}
        self.trouble: Callable[[], None] = lambda: None

    def get_password(self, service: str, username: str) -> str | None:
        self.trouble()
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.trouble()
        self.items[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.items:
            raise PasswordDeleteError("not there")
        del self.items[service, username]


def _vault(ring: KeyringBackend, service: str = "clx", timeout_s: float = 10.0) -> KeyringVault:
    return KeyringVault(service, timeout_s, ring)


def test_what_was_put_is_listed_and_can_be_removed(entry: Make) -> None:
    ring = Ring()
    assert not _vault(ring).exists()
    _vault(ring).put(entry())
    _vault(ring).put(entry("okx-demo"))
    assert _vault(ring).exists()
    assert _vault(ring).entries() == [entry(), entry("okx-demo")]
    assert _vault(ring).remove(entry().account)
    assert not _vault(ring).remove(entry().account)
    assert _vault(ring).entries() == [entry("okx-demo")]


def test_nothing_of_a_removed_account_stays(entry: Make) -> None:
    ring = Ring()
    _vault(ring).put(entry())
    _vault(ring).remove(entry().account)
    assert not any(entry().api_secret in text for text in ring.items.values())


def test_homes_of_their_own_do_not_meet(entry: Make) -> None:
    ring = Ring()
    _vault(ring, "clx /home/a").put(entry())
    assert _vault(ring, "clx /home/b").entries() == []


def test_a_killed_put_leaves_no_secret_that_the_list_does_not_name(entry: Make) -> None:
    ring = Ring()
    calls = iter(range(10))

    def die_at_the_item() -> None:
        if next(calls) == 2:
            raise KeyringLocked("gone")

    ring.trouble = die_at_the_item
    with pytest.raises(StoreError, match="the keyring refused: gone"):
        _vault(ring).put(entry())
    ring.trouble = lambda: None
    assert _vault(ring).entries() == []
    _vault(ring).put(entry())
    assert _vault(ring).entries() == [entry()]


@pytest.mark.parametrize("backend", [fail.Keyring(), null.Keyring()])
def test_a_backend_that_keeps_nothing_is_none(backend: KeyringBackend, entry: Make) -> None:
    vault = _vault(backend)
    assert not vault.usable()
    assert vault.entries() == []
    with pytest.raises(StoreError, match=r"no keyring; set keys.store = 'file'"):
        vault.put(entry())


def test_a_keyring_that_never_answers_is_given_up(entry: Make) -> None:
    ring, silent = Ring(), threading.Event()
    ring.trouble = lambda: silent.wait() and None
    try:
        with pytest.raises(TemporaryError, match=r"did not answer within 0\.05 s: is it locked"):
            _vault(ring, timeout_s=0.05).put(entry())
    finally:
        silent.set()


def test_a_damaged_item_is_named_and_not_shown(entry: Make) -> None:
    ring = Ring()
    _vault(ring).put(entry())
    ring.items["clx", "account binance-main"] = '{"version":1,"accounts":[{"api_secret":"leak-1"}]}'
    with pytest.raises(StoreError, match="'account binance-main' is not a list") as refused:
        _vault(ring).entries()
    assert "leak-1" not in str(refused.value)


def test_whatever_a_backend_lets_through_is_the_keyrings_failure(entry: Make) -> None:
    ring = Ring()

    def no_bus() -> None:
        raise ConnectionRefusedError("no session bus")

    ring.trouble = no_bus
    with pytest.raises(StoreError, match="the keyring failed: ConnectionRefusedError: no session"):
        _vault(ring).put(entry())
