"""Check of a request's caller: programs on this machine may call the sandbox, web pages in a browser may not.

In: a request's WSGI environment and the sandbox's port. Out: the reason for a refusal, or None. Listening on 127.0.0.1
excludes other machines, but not the browser on this one: any page may send requests to a loopback address, and with a
host name that resolves to 127.0.0.1 (DNS rebinding) it can also read the responses. A browser sends the page's origin
in `Origin` (Fetch standard, "Origin header") or `Sec-Fetch-Site` (Fetch Metadata), and the host name in `Host`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LOOPBACK_NAMES = ("127.0.0.1", "localhost")
AWS_DOMAINS = (
    ".localhost",  # BUCKET.localhost, which SDKs make of http://localhost for S3 (RFC 6761: always loopback)
    ".127.0.0.1",
    "host.docker.internal",  # this machine, as a container calls it
    ".amazonaws.com",  # clients that reach the sandbox as a proxy send AWS's own names
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".api.aws",
)
OWN_SITES = frozenset({"same-origin", "none"})  # `none`: a person typed the address


def foreign_caller(environ: WSGIEnvironment, port: int, *, aws: bool) -> str | None:
    """The reason for refusing a request; None if a program on this machine may have sent it.

    Args:
        environ: the request.
        port: the port on which the sandbox listens.
        aws: whether AWS's host names are accepted too; true for all endpoints except the control endpoint.
    """
    own = {f"{name}:{port}" for name in LOOPBACK_NAMES} | (set(LOOPBACK_NAMES) if port == 80 else set())
    host = environ.get("HTTP_HOST", "").lower()
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if host not in own and not (aws and (name in LOOPBACK_NAMES or name.endswith(AWS_DOMAINS))):
        return f"Host {host!r} is not this sandbox: use http://127.0.0.1:{port}."
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin.lower() not in {f"http://{host}" for host in own}:
        return f"Origin {origin!r} is refused: the sandbox takes no requests from web pages."
    site = environ.get("HTTP_SEC_FETCH_SITE", "none")
    if site not in OWN_SITES:
        return f"Sec-Fetch-Site {site!r} is refused: the sandbox takes no requests from web pages."
    return None
