"""What holds for every test: how it is handed out to workers, and what it finds."""

from __future__ import annotations

import datetime
import decimal
import gc
import ipaddress
import os
import ssl
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from clx.kernelcache import renew_kernels

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling
    from xdist.workermanage import WorkerController

# A busy machine is no counterexample. How many examples a property without a count of its own is
# tried with; many more are worth a night.
EXAMPLES = int(os.environ.get("CLX_EXAMPLES", "80"))
settings.register_profile("clx", deadline=None, max_examples=EXAMPLES)
settings.load_profile("clx")
WAITING = ("tests/e2e/venues", "tests/e2e", "tests/core/venues", "tests/emulator")
"""Folders whose tests wait for other processes and for sockets, those that wait longest first."""
BEHIND = 5
"""By how much the priority of workers that reckon is lower, so that who waits is served at once."""

renew_kernels()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Hand out whole files, and those that wait beside those that reckon.

    What a file starts for all its tests is then started once. Odd workers take files from the end
    of the list, which reckon; even ones those that wait, every second of them none of the first
    folder, so that two which start many processes seldom run at the same time.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid.partition("::")[0]

        def _assign_work_unit(self, node: WorkerController) -> None:
            number = _number(node.workerinput)
            if number % 2:
                self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
            elif number % 4:
                rest = (file for file in self.workqueue if not file.startswith(WAITING[0]))
                if (file := next(rest, None)) is not None:
                    self.workqueue.move_to_end(file, last=False)
            super()._assign_work_unit(node)

    config.option.loadscopereorder = False
    return Files(config, log)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let workers that reckon stand back for those that wait."""
    if _number(getattr(session.config, "workerinput", {})) % 2 and hasattr(os, "nice"):
        os.nice(BEHIND)


def _number(workerinput: dict[str, Any]) -> int:
    """Return a worker's number, 0 for a process that is the only one."""
    return int(workerinput.get("workerid", "gw0").removeprefix("gw"))


class Turned(pytest.Dir):
    """A folder that is collected from another place on."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """Begin elsewhere in each worker; `pytest_collection_modifyitems` puts that right.

        A file that one worker has prepared is ready for the others.
        """
        found = list(super().collect())
        worker = _number(getattr(self.config, "workerinput", {}))
        at = len(found) // 2 if worker % 4 > 1 else 0
        found = found[at:] + found[:at]
        return iter(found[::-1] if worker % 2 else found)


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector:
    """Collect folders as `Turned` says."""
    return Turned.from_parent(parent, path=path)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Look for garbage neither while tests are collected, nor ever in what that left."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        # Screens and scenarios are full of short-lived things that are no garbage yet.
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what waits, where files are handed out; the same order in every worker."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: (_rank(item.nodeid), item.path))


def _rank(nodeid: str) -> int:
    return next((at for at, folder in enumerate(WAITING) if nodeid.startswith(folder)), 9)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell which tests passed only after a second try, and why they were allowed one."""
    for report in terminalreporter.getreports("passed"):
        for name, why in report.user_properties:
            if name == "ran twice":
                terminalreporter.write_line(f"RAN TWICE {report.nodeid} - {why}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give every test the common decimal context: third-party clients change it for good."""
    decimal.setcontext(decimal.Context())


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """The file of a certificate for 127.0.0.1 and its key, which nobody vouches for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stranger")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(here, critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """What a server says to be that nobody vouches for."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context
