"""`serve`: the REST face in this process, until it is told to end.

In: an address. Out: exit code 0 after Ctrl-C or SIGTERM. What it serves, and whom, is decided in `prefect_drs.rest`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from prefect_drs.cli.output import print_stderr


def serve(
    *,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(allow_leading_hyphen=True)] = 8080,
    requests_per_second: float = 500.0,
    tls_cert: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    tls_key: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    behind_proxy: Annotated[bool, Parameter(negative="")] = False,
    audience: str = "prefect-drs",
    single_use_tokens: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Serve the REST face. The Prefect API is that of PREFECT_API_URL.

    Parameters
    ----------
    host
        The address to bind to; without an access policy, one of this machine's loopback.
    port
        The port; 0 takes a free one.
    requests_per_second
        Requests that one caller may send in the long run; twice as many at once.
    tls_cert
        Certificate chain, PEM; needed on an address that others reach, unless a proxy ends TLS.
    tls_key
        Its key, PEM.
    behind_proxy
        A proxy in front ends TLS.
    audience
        Whom tokens must be made for: `prefect-drs token --audience`.
    single_use_tokens
        Each token counts for one request, at all servers of the same Prefect API.
    """
    from prefect.settings import get_current_settings

    from prefect_drs.core.errors import UsageError
    from prefect_drs.orchestration.client import NOT_CONFIGURED, PrefectUnreachableError
    from prefect_drs.orchestration.storage.used_tokens import SharedReplays
    from prefect_drs.rest.options import RestOptions
    from prefect_drs.rest.server import Exposure, bind, is_local
    from prefect_drs.rest.server import serve as serve_rest

    if not requests_per_second >= 1:
        raise UsageError("invalid --requests-per-second: use 1 or more")
    exposure = Exposure(tls_cert, tls_key, behind_proxy)
    exposure.check()  # wrong usage is told before anything else
    bind(host, port, anywhere=exposure.is_private and not is_local(host)).close()
    if not get_current_settings().api.url:
        raise PrefectUnreachableError(NOT_CONFIGURED)
    options = RestOptions(
        requests_per_second=requests_per_second,
        burst=int(2 * requests_per_second),
        audience=audience,
        single_use=single_use_tokens,
        replays=SharedReplays() if single_use_tokens else None,
    )
    serve_rest(host, port, print_stderr, options, exposure)
    return 0
