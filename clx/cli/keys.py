"""`clx keys`: the accounts' secrets, and what their keys may do."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from clx.cli.output import format_option, print_json, print_table, say_done
from clx.cli.secretinput import prompt_for_passphrase, read_secrets
from core.model.credentials import (
    ENVIRONMENTS,
    AccountFacts,
    AccountName,
    Environment,
    KeyPermissions,
    KeyTest,
    check_account_name,
    refuse_withdrawing,
)
from core.model.errors import ClxError, ConfigError, TemporaryError

if TYPE_CHECKING:
    from store.secrets.accounts import Accounts
    from store.secrets.entry import Entry

_DAY_NS = 86_400_000_000_000


@click.group()
def keys() -> None:
    """Keep, list, test and remove the keys of accounts.

    They lie in the system's keyring, or encrypted in keys.sealed; config.toml only names an
    account: [venues.binance] account = "binance-main".
    """


@keys.command()
@click.argument("account")
@click.option("--venue", required=True, help="binance, okx, ... or ccxt:<exchange>")
@click.option(
    "--environment",
    type=click.Choice(ENVIRONMENTS),
    default="live",
    show_default=True,
    help="whose money it is",
)
@click.option("--notes", default="", help="yours, shown by `clx keys list`")
@click.option("--replace", is_flag=True, help="take the place of an account of this name")
@click.option("--untested", is_flag=True, help="keep it though the venue cannot be reached now")
@click.option("--attest", is_flag=True, help="I made it without withdrawals (venue cannot say)")
@click.option("--rest-url", default="", help="ask here, such as an emulator")
@click.option(
    "--dry-run",
    is_flag=True,
    help="keep nothing; test a key on stdin, ask for none",
)
@format_option
def add(
    account: str,
    venue: str,
    environment: Environment,
    notes: str,
    replace: bool,
    untested: bool,
    attest: bool,
    rest_url: str,
    dry_run: bool,
    style: str,
) -> None:
    """Keep the keys of ACCOUNT, after asking its venue what they may do.

    Key, secret and passphrase are asked for, or read from stdin: one a line, or as the JSON file
    that the venue gave you. Never give them as arguments: others can read those.
    """
    from core.venues.permissions.ask import question_of
    from store.secrets.entry import Entry, check_entry

    name = check_account_name(account)
    question = question_of(venue)
    accounts = _accounts()
    if not replace and any(facts.account == name for facts in accounts.all()):
        raise ConfigError(f"there is an account {name} already; give another name, or --replace")
    if dry_run and sys.stdin.isatty():
        # Nobody is asked for a secret that is not kept; one on stdin is tested.
        words = _would_add(name, venue, accounts.keeps_in, attest=attest)
        return say_done(words, style, dry_run=True)
    key, secret, passphrase = read_secrets(
        venue, passphrase=bool(question and question.passphrase), stdin=sys.stdin
    )
    entry = Entry(
        account=name,
        venue=venue,
        environment=environment,
        api_key=key,
        api_secret=secret,
        passphrase=passphrase,
        notes=notes,
        created_ns=time.time_ns(),
    )
    check_entry(entry)
    parameters = {"account": name, "venue": venue, "environment": environment}
    with _audited("keys.add", parameters, dry_run=dry_run) as outcome:
        tested, why = _test_new(accounts, entry, rest_url, untested=untested, attest=attest)
        kept = _with_test(entry, tested)
        where = "nowhere (dry run)" if dry_run else accounts.add(kept, replace=replace)
        outcome.append(f"kept in {where}, key {kept.facts(where).key_tail}, {why}")
    if style == "json":
        print_json({"dry_run": dry_run, "account": kept.facts(where)})
        return
    click.echo(f"{name}: {venue} {environment}, key {kept.facts(where).key_tail}, {why}")
    if dry_run:
        click.echo(f"dry run: nothing was kept; it would be in the {accounts.keeps_in}")
        return
    click.echo(f'kept in {where}; name it in config.toml: account = "{name}"')


def _would_add(name: AccountName, venue: str, where: str, *, attest: bool) -> str:
    """Say what adding an account would ask for and do."""
    from core.venues.permissions.ask import question_of

    question = question_of(venue)
    _check_attest(venue, attest=attest)
    parts = "key, secret and passphrase" if question and question.passphrase else "key and secret"
    asked = f"ask {venue} what the key may do" if question else "take your word for what it may do"
    return f"{name}: would ask for {parts}, {asked}, and keep it in {where}; nothing was asked yet"


@keys.command("list")
@format_option
def list_(style: str) -> None:
    """List accounts: the end of each key, what it may do as last tested, and ages."""
    found = _accounts().all()
    if style == "json":
        print_json(found)
        return
    now_ns = time.time_ns()
    print_table(
        ("account", "venue", "environment", "key", "may", "tested", "age", "kept in", "notes"),
        [
            (
                each.account,
                each.venue,
                each.environment,
                each.key_tail,
                may(each.tested.permissions) if each.tested else "untested",
                _tested_when(each, now_ns),
                _age(now_ns - each.created_ns),
                each.kept_in,
                each.notes or None,
            )
            for each in found
        ],
        "no accounts; `clx keys add NAME --venue VENUE` makes one",
    )


@keys.command()
@click.argument("account")
@click.option("--attest", is_flag=True, help="I made it without withdrawals (venue cannot say)")
@click.option("--rest-url", default="", help="ask here, such as an emulator")
@click.option("--dry-run", is_flag=True, help="ask, but do not remember the answer")
@format_option
def test(account: str, attest: bool, rest_url: str, dry_run: bool, style: str) -> None:
    """Ask the venue what the key of ACCOUNT may do; one that can withdraw is refused."""
    from core.venues.permissions.ask import remedy_of

    accounts, name = _accounts(), AccountName(account)
    facts = accounts.facts(name)
    with _audited("keys.test", {"account": name}, dry_run=dry_run) as outcome:
        found = _attested(facts.venue) if attest else _ask(accounts, name, rest_url)
        if not dry_run:
            accounts.note_test(name, found)
        if style == "json":
            print_json({"account": name, "dry_run": dry_run, "tested": found})
        else:
            _show_test(name, found)
        refuse_withdrawing(name, found.permissions, remedy_of(facts.venue))
        outcome.append(may(found.permissions))


@keys.command()
@click.argument("account")
@click.option("--yes", is_flag=True, help="do not ask")
@click.option("--dry-run", is_flag=True, help="say what would go, remove nothing")
@format_option
def remove(account: str, yes: bool, dry_run: bool, style: str) -> None:
    """Forget the keys of ACCOUNT; at the venue they stay valid until you delete them there."""
    accounts, name = _accounts(), AccountName(account)
    facts = accounts.facts(name)
    if not yes and not dry_run:
        if not sys.stdin.isatty():
            raise ConfigError(f"removing {name} cannot be undone: give --yes")
        click.confirm(f"forget {name} ({facts.venue}, key {facts.key_tail})?", abort=True)
    with _audited("keys.remove", {"account": name}, dry_run=dry_run) as outcome:
        if not dry_run:
            accounts.remove(name)
        outcome.append(f"key {facts.key_tail} removed from {facts.kept_in}")
    if style == "json":
        print_json({"dry_run": dry_run, "removed": facts})
        return
    done = "would be removed" if dry_run else "is removed"
    click.echo(f"{name} {done} from {facts.kept_in}; delete key {facts.key_tail} at the venue too")


def may(permissions: KeyPermissions) -> str:
    """Return permissions in a few words."""
    named = (
        ("read", permissions.read),
        ("trade", permissions.trade),
        ("transfer", permissions.transfer),
        ("WITHDRAW", permissions.withdraw),
    )
    words = [word for word, allowed in named if allowed]
    if permissions.withdraw is None:
        words.append("withdraw?")
    return ", ".join(words) or "nothing"


def _accounts() -> Accounts:
    from clx.cli.settled import redactor_of
    from store.paths import find_paths, make_folders
    from store.secrets.accounts import open_accounts
    from store.settings import load_settings

    paths = find_paths()
    make_folders(paths)
    settings = load_settings(paths.config_file)
    return open_accounts(settings.keys, paths, redactor_of(), prompt_for_passphrase())


def _test_new(
    accounts: Accounts, entry: Entry, rest_url: str, *, untested: bool, attest: bool
) -> tuple[KeyTest | None, str]:
    """Return what the venue says of a key that is not kept yet, and that in words."""
    from core.venues.permissions.ask import question_of, remedy_of

    _check_attest(entry.venue, attest=attest)
    if question_of(entry.venue) is None:
        return _attested(entry.venue), "untested, you say it cannot withdraw"
    accounts.guard(entry)
    try:
        found = _run(entry, rest_url)
    except TemporaryError as error:
        if untested:
            return None, f"untested, the venue could not be reached: {error}"
        raise TemporaryError(
            f"{entry.venue} could not be asked what the key may do: {error}. Nothing was kept; try"
            " again, or keep it with --untested (live trading then waits for `clx keys test`)"
        ) from None
    refuse_withdrawing(entry.account, found.permissions, remedy_of(entry.venue))
    return found, f"may {may(found.permissions)}"


def _check_attest(venue: str, *, attest: bool) -> None:
    """Refuse the owner's word where the venue can be asked, and demand it where it cannot."""
    from core.venues.permissions.ask import question_of

    asked = question_of(venue) is not None
    if asked and attest:
        raise ConfigError(f"{venue} can say what a key may do: leave --attest out")
    if not asked and not attest:
        raise ConfigError(
            f"{venue} has no way to say what a key may do; if you made the key without"
            " withdrawals, say so with --attest"
        )


def _attested(venue: str) -> KeyTest:
    _check_attest(venue, attest=True)
    return KeyTest(
        ts_ns=time.time_ns(),
        host="",
        own_host=False,
        attested=True,
        permissions=KeyPermissions(
            read=True, trade=True, withdraw=False, note="as its owner says; nobody was asked"
        ),
    )


def _ask(accounts: Accounts, name: AccountName, rest_url: str) -> KeyTest:
    from core.engine.clock import SystemClock
    from core.venues.permissions.ask import ask_permissions

    clear = accounts.open(name)
    return asyncio.run(ask_permissions(clear, clock=SystemClock(), rest_url=rest_url))


def _run(entry: Entry, rest_url: str) -> KeyTest:
    from core.engine.clock import SystemClock
    from core.venues.permissions.ask import ask_permissions

    clear = entry.credentials()
    return asyncio.run(ask_permissions(clear, clock=SystemClock(), rest_url=rest_url))


def _with_test(entry: Entry, tested: KeyTest | None) -> Entry:
    import msgspec

    return msgspec.structs.replace(entry, tested=tested)


def _show_test(name: str, found: KeyTest) -> None:
    permissions = found.permissions
    asked = "nobody was asked" if found.attested else f"asked {found.host}"
    click.echo(f"{name} may {may(permissions)} ({asked})")
    if permissions.words:
        click.echo(f"in the venue's words: {', '.join(permissions.words)}")
    if permissions.ip_bound is False:
        click.echo("the key works from every address: restrict it to yours at the venue")
    if permissions.note:
        click.echo(permissions.note)


def _tested_when(facts: AccountFacts, now_ns: int) -> str:
    if facts.tested is None:
        return "never"
    how = " (attested)" if facts.tested.attested else ""
    elsewhere = "" if facts.tested.own_host or how else f" at {facts.tested.host}"
    return f"{_age(now_ns - facts.tested.ts_ns)} ago{how}{elsewhere}"


def _age(ns: int) -> str:
    days, rest = divmod(max(ns, 0), _DAY_NS)
    if days:
        return f"{days} d"
    hours, rest = divmod(rest, 3_600_000_000_000)
    return f"{hours} h" if hours else f"{rest // 60_000_000_000} min"


class _audited:
    """Write down what a verb did, or why it did not; a dry run leaves no trace."""

    def __init__(self, what: str, parameters: dict[str, Any], *, dry_run: bool) -> None:
        self._what = what
        self._parameters = parameters
        self._dry_run = dry_run
        self._outcome: list[str] = []

    def __enter__(self) -> list[str]:
        return self._outcome

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from clx.cli.settled import note

        if self._dry_run:
            return
        if error is None:
            note(self._what, self._parameters, "; ".join(self._outcome), refused=False)
        elif isinstance(error, ClxError):
            words = f"{type(error).__name__}: {error}"
            note(self._what, self._parameters, words, refused=True)
