"""What kept a connection from opening, in words, and what to do about it."""

from __future__ import annotations

import socket
import ssl


def trouble(error: BaseException) -> str:
    """Return why a connection could not be opened, and what to do where that is known.

    A certificate that is not trusted is never borne: nothing is sent to such a host.
    """
    for each in _chain(error):
        # aiohttp resolves names by a library of its own where that is installed.
        if isinstance(each, socket.gaierror) or type(each).__name__ == "ClientConnectorDNSError":
            return (
                "its name cannot be resolved: check the network and DNS, and the host in the "
                "settings"
            )
        if isinstance(each, ssl.SSLCertVerificationError) and hasattr(each, "verify_message"):
            return (
                f"its certificate is not trusted ({each.verify_message}), so nothing was sent: "
                "check the host in the settings, this machine's clock, and any proxy between"
            )
        if isinstance(each, ssl.SSLError) and getattr(each, "reason", None):
            return f"TLS failed ({each.reason}): check the host, its port and any proxy"
        if isinstance(each, ConnectionRefusedError):
            return "connection refused: check the host and port in the settings, and any firewall"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return ""


def never_connected(error: BaseException | None) -> bool:
    """Return whether a request failed before a connection was had, so that nothing was sent."""
    import aiohttp

    return isinstance(
        error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | socket.gaierror
    )


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error, what it wraps and what caused it, outermost first."""
    found: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop(0)
        if each is None or each in found:
            continue
        found.append(each)
        wrapped = getattr(each, "os_error", None) or getattr(each, "certificate_error", None)
        todo += [wrapped, each.__cause__, each.__context__]
        todo += list(getattr(each, "exceptions", ()))
    return found
