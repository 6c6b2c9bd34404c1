"""`/health`, `/ready` and `/metrics`.

In: the service. Out: endpoints. `/health` says that the process answers; `/ready` that it can work: it is not ending,
and the Prefect API answers. `/metrics` is for Prometheus.
"""

from __future__ import annotations

from importlib.metadata import version

from prefect.settings import get_current_settings
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from prefect_drs.orchestration.client import NOT_CONFIGURED, PrefectUnreachableError, quick_client
from prefect_drs.rest.endpoints import Endpoint
from prefect_drs.rest.errors import NotReadyError
from prefect_drs.rest.metrics import CONTENT_TYPE
from prefect_drs.rest.service import Service


def health_endpoints(service: Service) -> tuple[tuple[str, Endpoint], ...]:
    """The paths, each with its endpoint."""
    release = version("prefect-drs")

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok", "version": release})

    async def ready(request: Request) -> Response:
        if service.stopping.is_set():
            raise NotReadyError("the server is stopping")
        await service.read(_require_answer)
        return JSONResponse({"status": "ready", "version": release})

    async def metrics(request: Request) -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)

    return (("/health", health), ("/ready", ready), ("/metrics", metrics))


def _require_answer() -> None:
    if not get_current_settings().api.url:
        raise PrefectUnreachableError(NOT_CONFIGURED)
    with quick_client() as client:
        client.api_version()
