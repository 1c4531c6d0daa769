import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.model.errors import ConfigError, StoreError
from store.secrets.entry import Entry
from store.secrets.vaultfile import FileVault

Make = Callable[..., Entry]
Open = Callable[..., FileVault]


def test_what_was_put_is_there_for_the_next_process(vault: Open, entry: Make) -> None:
    vault().put(entry())
    vault().put(entry("okx-demo", venue="okx", environment="demo"))
    assert [kept.account for kept in vault().entries()] == ["binance-main", "okx-demo"]
    assert vault().entries()[0] == entry()


def test_an_account_of_the_same_name_is_replaced(vault: Open, entry: Make) -> None:
    vault().put(entry())
    vault().put(entry(api_key="another-key-000000"))
    assert [kept.api_key for kept in vault().entries()] == ["another-key-000000"]


def test_removing_takes_one_and_says_whether_it_was_there(vault: Open, entry: Make) -> None:
    vault().put(entry())
    assert vault().remove(entry().account)
    assert not vault().remove(entry().account)
    assert vault().entries() == []


def test_the_file_is_its_owners_alone_and_holds_no_secret(
    vault: Open, entry: Make, tmp_path: Path
) -> None:
    vault().put(entry())
    path = tmp_path / "keys.sealed"
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_bytes()
    for secret in (entry().api_key, entry().api_secret, entry().passphrase, "binance"):
        assert secret.encode() not in content


def test_no_file_is_no_account_and_asks_for_nothing(tmp_path: Path, vault: Open) -> None:
    opened = vault()
    assert not opened.exists()
    assert opened.entries() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666, 0o620])
def test_a_file_open_to_others_is_refused_with_the_remedy(
    vault: Open, entry: Make, tmp_path: Path, mode: int
) -> None:
    vault().put(entry())
    path = tmp_path / "keys.sealed"
    path.chmod(mode)
    with pytest.raises(ConfigError, match=rf"was mode {mode:04o}; run chmod 600 {path}"):
        vault().entries()
    path.chmod(0o600)
    assert vault().entries() == [entry()]


def test_a_link_in_place_of_the_file_is_not_followed(
    vault: Open, entry: Make, tmp_path: Path
) -> None:
    vault(path=tmp_path / "elsewhere").put(entry())
    (tmp_path / "keys.sealed").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="cannot be read"):
        vault().entries()


def test_a_wrong_passphrase_changes_nothing(vault: Open, entry: Make, tmp_path: Path) -> None:
    vault().put(entry())
    before = (tmp_path / "keys.sealed").read_bytes()
    for act in (
        lambda wrong: wrong.entries(),
        lambda wrong: wrong.put(entry("second")),
        lambda wrong: wrong.remove(entry().account),
    ):
        with pytest.raises(ConfigError, match="the passphrase is wrong"):
            act(vault("incorrect horse"))
    assert (tmp_path / "keys.sealed").read_bytes() == before


def test_a_damaged_file_is_never_written_over(vault: Open, entry: Make, tmp_path: Path) -> None:
    vault().put(entry())
    path = tmp_path / "keys.sealed"
    broken = bytearray(path.read_bytes())
    broken[70] ^= 0xFF
    path.write_bytes(broken)
    with pytest.raises(StoreError, match=r"damaged.*Nothing was changed; put a copy"):
        vault().put(entry("second"))
    assert path.read_bytes() == bytes(broken)


def test_a_short_passphrase_makes_no_new_file(vault: Open, entry: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 8 characters, was 5"):
        vault("short").put(entry())
    assert not (tmp_path / "keys.sealed").exists()


def test_two_processes_do_not_change_it_at_once(vault: Open, entry: Make, tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / "keys.sealed.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="another clx is changing"):
            vault().put(entry())
    vault().put(entry())


def test_a_full_disk_leaves_what_was_there(vault: Open, entry: Make, tmp_path: Path) -> None:
    """RLIMIT_FSIZE makes real writes fail with EFBIG, as a full disk does with ENOSPC."""
    vault().put(entry())
    before = (tmp_path / "keys.sealed").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (256, hard))
        with pytest.raises(StoreError, match=r"cannot be written: .*as it was before"):
            vault().put(entry("second", notes="n" * 1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert (tmp_path / "keys.sealed").read_bytes() == before
    assert [each.name for each in tmp_path.glob(".keys.sealed.*")] == []


_KILLED = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    import store.atomic
    from store.secrets.entry import Entry
    from store.secrets.passphrase import PassphraseSource
    from store.secrets.sealed import Cost
    from store.secrets.vaultfile import FileVault

    path, stage = Path(sys.argv[1]), sys.argv[2]
    def die(*_, **__):
        os.kill(os.getpid(), 9)
    if stage == "before":
        os.fsync = die
    elif stage == "between":
        Path.replace = die
    elif stage == "after":
        real = Path.replace
        Path.replace = lambda self, to: (real(self, to), die())
    vault = FileVault(path, PassphraseSource(lambda _: "correct horse", env={}), Cost(log2_n=4))
    vault.put(Entry(account="second", venue="okx", environment="demo", api_key="k" * 20,
                    api_secret="s" * 20, created_ns=1))
    """
)


@pytest.mark.parametrize(("stage", "there"), [("before", 1), ("between", 1), ("after", 2)])
def test_killed_while_writing_the_file_is_the_old_or_the_new_one(
    vault: Open, entry: Make, tmp_path: Path, stage: str, there: int
) -> None:
    vault().put(entry())
    path = tmp_path / "keys.sealed"
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(path), stage], cwd=Path.cwd(), check=False, timeout=30
    )
    assert done.returncode == -signal.SIGKILL
    assert len(vault().entries()) == there
    # What the killed process left is swept by the next one that writes.
    vault().put(entry("third"))
    assert len(vault().entries()) == there + 1
    assert [each.name for each in tmp_path.glob(".keys.sealed.*")] == []


_words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=6, max_size=40)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(st.sampled_from(["put", "remove"]), st.sampled_from("abcd"), _words), max_size=8
    )
)
def test_any_course_of_changes_ends_as_a_dictionary_would(
    vault: Open, entry: Make, tmp_path: Path, changes: list[tuple[str, str, str]]
) -> None:
    (tmp_path / "keys.sealed").unlink(missing_ok=True)
    model: dict[str, Entry] = {}
    for what, name, secret in changes:
        if what == "put":
            model[name] = entry(name, api_secret=secret, notes=secret)
            vault().put(model[name])
        else:
            assert vault().remove(entry(name).account) == (model.pop(name, None) is not None)
    assert {kept.account: kept for kept in vault().entries()} == model


def test_an_entry_shows_no_secret_when_printed(entry: Make) -> None:
    shown = f"{entry()!r} {entry()} {entry().credentials()!r} {entry().facts('file')!r}"
    for secret in (entry().api_key, entry().api_secret, entry().passphrase):
        assert secret not in shown


def test_credentials_cannot_be_encoded_or_pickled(entry: Make) -> None:
    import pickle

    clear = entry().credentials()
    for encode in (msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins, pickle.dumps):
        with pytest.raises(TypeError):
            encode(clear)


def test_the_folder_may_be_missing(entry: Make, vault: Open, tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys.sealed"
    vault(path=path).put(entry())
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert os.access(path, os.R_OK)
