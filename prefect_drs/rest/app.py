"""The REST face: a FastAPI application made from the table of routes and the registry of operations.

In: options. Out: the application. It implements no operation: an endpoint turns a request into the body of one, and
its answer or error into a response. Whatever goes wrong, the body is `{"error": CODE, "message": …, "details": {…}}`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.rest import openapi
from prefect_drs.rest.endpoints import Endpoint, endpoint_of
from prefect_drs.rest.errors import MethodNotAllowedError, PathNotFoundError
from prefect_drs.rest.events import events_endpoint
from prefect_drs.rest.guard import Guard, error_response
from prefect_drs.rest.health import health_endpoints
from prefect_drs.rest.log import LOGGER, request_id
from prefect_drs.rest.options import RestOptions
from prefect_drs.rest.requests import request_endpoint
from prefect_drs.rest.service import Service, served_routes


def build_app(options: RestOptions | None = None) -> FastAPI:
    """The application; its `Service` is `app.state.service`.

    Args:
        options: limits, clock and caller; by default those of this machine.
    """
    service = Service(options or RestOptions())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.end()

    app = FastAPI(
        title="prefect-drs",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.service = service
    document = _described()

    async def openapi_document(request: Request) -> Response:
        return JSONResponse(document)

    _add(app, "GET", "/openapi.json", openapi_document)
    for path, endpoint in health_endpoints(service):
        _add(app, "GET", path, endpoint)
    _add(app, "GET", openapi.EVENTS_PATH, events_endpoint(service))
    _add(app, "GET", openapi.REQUEST_PATH, request_endpoint(service))
    for served in service.routes:
        _add(app, served.route.method, served.route.path, endpoint_of(served, service))
    app.add_exception_handler(HTTPException, _http_error)
    app.openapi = lambda: document  # type: ignore[method-assign]
    app.add_middleware(Guard, service=service)
    return app


@cache
def _described() -> dict[str, Any]:
    """The OpenAPI document; it is the same for every application."""
    return openapi.document(served_routes())


def _add(app: FastAPI, method: str, path: str, endpoint: Endpoint) -> None:
    app.add_api_route(path, _handled(endpoint), methods=[method], include_in_schema=False, response_model=None)


def _handled(endpoint: Endpoint) -> Endpoint:
    """The endpoint, with every error as a response."""

    async def handled(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Exception as error:
            response = error_response(error, conditional="if-match" in request.headers)
            if response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR or not isinstance(error, PrefectDrsError):
                LOGGER.error("request %s failed", request_id.get(), exc_info=error)
            return response

    return handled


async def _http_error(request: Request, error: Exception) -> Response:
    """Starlette's own errors: no such path, or no such method there."""
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = sorted(
            {
                method
                for route in request.app.router.routes
                if route.matches(request.scope)[0] is not Match.NONE
                for method in route.methods
            }
        )
        response = error_response(MethodNotAllowedError(f"use {', '.join(allowed)} here", allowed=allowed))
        response.headers["Allow"] = ", ".join(allowed)
        return response
    return error_response(PathNotFoundError("there is no such path; /openapi.json lists all"))
