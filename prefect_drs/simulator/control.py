"""The sandbox's own endpoint, `/_sandbox/…` beside the AWS services: time, faults, the request log, seeding, state.

In: JSON over HTTP, as `Content-Type: application/json`. Out: JSON; an error is `{"error": CODE, "message": …}` with
status 400, 403, 404, 405, 409 or 415. No AWS path begins with `/_sandbox`. Every client of the port controls the
sandbox; therefore the sandbox binds to 127.0.0.1 and refuses requests from web pages (`simulator.callers`). The only
files that it writes for a caller are state files, and only in the sandbox's own folder.

    GET    /_sandbox/                   description: pid, version, times, number of calls
    GET    /_sandbox/clock              {now, realNow, speed}
    POST   /_sandbox/clock              {speed} and/or {advanceSeconds}
    GET    /_sandbox/faults             the planted faults, with their hits
    POST   /_sandbox/faults             one fault, or {faults: […]}; gives ids
    DELETE /_sandbox/faults[/ID]        all, or one
    GET    /_sandbox/requests           ?service= operation= account= region= code= writes= after= limit=
    DELETE /_sandbox/requests           clear the log
    POST   /_sandbox/seed               {manifests: […], externalId?, accounts?} or {estate: …}; returns the created
                                        resources and bindings; accounts: `Circumstances` by account
    POST   /_sandbox/replication        {server, state: STALLED | NOT_STALLED, account?, region?}: stall or resume
                                        replication; server: id, hostname or Name tag, with wildcards
    POST   /_sandbox/sessions/expire    {accountId?}: end all assumed sessions now
    POST   /_sandbox/state              {path?}: save now, to the state file or to another state in the folder of
                                        states (that of --state FILE, else `states` in PREFECT_DRS_HOME)
    POST   /_sandbox/reset              delete all accounts, faults and requests
    POST   /_sandbox/stop               save the state if configured, and end
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

from moto.core.base_backend import BackendDict
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from prefect_drs.core.errors import PrefectDrsError, UsageError
from prefect_drs.plan.model import Manifest
from prefect_drs.simulator.callers import foreign_caller
from prefect_drs.simulator.clock import SpeedClock
from prefect_drs.simulator.drs.models import DRSBackend, drs_backends
from prefect_drs.simulator.drs.replication import ReplicationState
from prefect_drs.simulator.estate import estate_for
from prefect_drs.simulator.estate_model import Circumstances, SandboxEstate
from prefect_drs.simulator.request_log import RequestLog
from prefect_drs.simulator.runtime import LOCK, Runtime
from prefect_drs.simulator.seeding import seed_estate
from prefect_drs.simulator.state import is_state, save_state

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PREFIX = "/_sandbox"


class ForeignCallerError(UsageError):
    """The request names another host, or comes from a web page."""

    code: ClassVar[str] = "FOREIGN_CALLER"


class NotJsonError(UsageError):
    """The request has a body that is not declared as JSON, such as a form of a web page could send."""

    code: ClassVar[str] = "UNSUPPORTED_MEDIA_TYPE"


class StatePathError(UsageError):
    """A state may not be written to that path."""

    code: ClassVar[str] = "FORBIDDEN_PATH"


STATUS: dict[type[PrefectDrsError], int] = {ForeignCallerError: 403, NotJsonError: 415, StatePathError: 403}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)


class _ClockChange(_Body):
    speed: float | None = Field(default=None, ge=0)
    advance_seconds: float | None = Field(default=None, ge=0)


class _Seed(_Body):
    manifests: list[Manifest] = []
    estate: SandboxEstate | None = None
    external_id: str | None = None
    accounts: dict[str, Circumstances] = {}


class _Replication(_Body):
    server: str
    state: Literal["STALLED", "NOT_STALLED"]
    account: str = "*"
    region: str = "*"


class _Expire(_Body):
    account_id: str | None = None


class _Save(_Body):
    path: Path | None = None


class _Query(_Body):
    service: str | None = None
    operation: str | None = None
    account: str | None = None
    region: str | None = None
    code: str | None = None
    writes: bool | None = None
    after: int = 0
    limit: int | None = Field(default=1_000, ge=1)


Endpoint = Callable[..., Any]


class ControlledSandbox(Protocol):
    """The sandbox's interface that the control endpoint uses."""

    id: str
    runtime: Runtime
    log: RequestLog
    state_file: Path | None
    state_folder: Path | None
    stop_requested: threading.Event

    @property
    def port(self) -> int:
        """The port on which it listens."""
        ...

    @property
    def endpoint_url(self) -> str:
        """The endpoint URL for AWS clients."""
        ...


class SandboxControl:
    """The WSGI application of the control endpoint of one sandbox."""

    def __init__(self, sandbox: ControlledSandbox) -> None:
        self._sandbox = sandbox
        endpoints: list[tuple[str, str, Endpoint]] = [
            ("GET", "/", self.about),
            ("GET", "/clock", self.clock),
            ("POST", "/clock", self.change_clock),
            ("GET", "/faults", self.faults),
            ("POST", "/faults", self.add_faults),
            ("DELETE", "/faults", self.clear_faults),
            ("DELETE", "/faults/<fault_id>", self.remove_fault),
            ("GET", "/requests", self.requests),
            ("DELETE", "/requests", self.clear_requests),
            ("POST", "/seed", self.seed),
            ("POST", "/replication", self.change_replication),
            ("POST", "/sessions/expire", self.expire_sessions),
            ("POST", "/state", self.save),
            ("POST", "/reset", self.reset),
            ("POST", "/stop", self.stop),
        ]
        self._routes = Map(
            [Rule(PREFIX + path, methods=[method], endpoint=endpoint) for method, path, endpoint in endpoints],
            strict_slashes=False,
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        """Answer one request."""
        request = Request(environ)
        try:
            self._check_caller(request)
            endpoint, arguments = self._routes.bind_to_environ(environ).match()
            status, answer = 200, endpoint(request, **arguments)
        except HTTPException as error:
            status, answer = error.code or 500, {"error": "NOT_FOUND", "message": _unknown(request, error)}
        except ValidationError as error:
            status, answer = 400, {"error": "VALIDATION_ERROR", "message": _validation_message(error)}
        except PrefectDrsError as error:
            status, answer = STATUS.get(type(error), 409), {"error": error.code, "message": error.message}
        except (OSError, ValueError) as error:
            status, answer = 400, {"error": "INVALID_PARAMETER", "message": str(error)}
        text = json.dumps(answer)
        return Response(text, status=status, content_type="application/json")(environ, start_response)

    def _check_caller(self, request: Request) -> None:
        """Refuse requests that a web page can send.

        Raises:
            ForeignCallerError: another Host, or an Origin.
            NotJsonError: a body of another type; for JSON, a browser sends a CORS preflight request first.
        """
        if reason := foreign_caller(request.environ, self._sandbox.port, aws=False):
            raise ForeignCallerError(reason)
        if request.get_data() and request.mimetype != "application/json":
            raise NotJsonError(
                f"The body is {request.mimetype or 'of no type'}: send JSON, with `Content-Type: application/json`."
            )

    def about(self, request: Request) -> Any:
        """Describe the sandbox."""
        sandbox = self._sandbox
        return {
            "id": sandbox.id,
            "pid": os.getpid(),
            "version": version("prefect-drs"),
            "endpointUrl": sandbox.endpoint_url,
            "stateFile": str(sandbox.state_file) if sandbox.state_file else None,
            "seed": sandbox.runtime.seed,
            "requests": len(sandbox.log),
            "seededRegions": _seeded_regions(),
            **self.clock(request),
        }

    def clock(self, _: Request) -> Any:
        """Simulated and real time."""
        clock = self._sandbox.runtime.clock
        return {
            "now": clock.now().isoformat(),
            "realNow": datetime.now(UTC).isoformat(),
            "speed": clock.speed if isinstance(clock, SpeedClock) else 0.0,
        }

    def change_clock(self, request: Request) -> Any:
        """Change the speed, or jump ahead."""
        change = _read(_ClockChange, request)
        clock = self._sandbox.runtime.clock
        if change.speed is not None:
            if not isinstance(clock, SpeedClock):
                raise ValueError("A stepped clock has no speed: use advanceSeconds.")
            clock.set_speed(change.speed)
        if change.advance_seconds is not None:
            clock.advance(change.advance_seconds)
        return self.clock(request)

    def faults(self, _: Request) -> Any:
        """The planted faults."""
        return {"faults": [planted.describe() for planted in self._sandbox.runtime.faults]}

    def add_faults(self, request: Request) -> Any:
        """Add one fault, or several."""
        body = _json(request)
        given = body["faults"] if isinstance(body, dict) and "faults" in body else [body]
        return {"ids": self._sandbox.runtime.faults.extend(given)}

    def clear_faults(self, _: Request) -> Any:
        """Delete all faults."""
        self._sandbox.runtime.faults.clear()
        return {"faults": []}

    def remove_fault(self, _: Request, fault_id: str) -> Any:
        """Delete one fault."""
        return {"removed": self._sandbox.runtime.faults.remove(fault_id)}

    def requests(self, request: Request) -> Any:
        """The request log."""
        query = _Query.model_validate(request.args.to_dict())
        found = self._sandbox.log.find(**query.model_dump())
        return {
            "requests": [entry.as_json() for entry in found],
            "last": found[-1].number if found else query.after,
            "dropped": self._sandbox.log.dropped,
            "counts": self._sandbox.log.counts(found),
        }

    def clear_requests(self, _: Request) -> Any:
        """Clear the request log."""
        self._sandbox.log.clear()
        return {"requests": []}

    def seed(self, request: Request) -> Any:
        """Build an estate."""
        wanted = _read(_Seed, request)
        estate = wanted.estate or estate_for(
            *wanted.manifests, external_id=wanted.external_id, accounts=wanted.accounts
        )
        return seed_estate(estate).model_dump(mode="json", by_alias=True)

    def change_replication(self, request: Request) -> Any:
        """Stall or resume replication; returns the servers that changed."""
        wanted = _read(_Replication, request)
        changed = []
        with LOCK:
            for backend in _backends(wanted.account, wanted.region):
                for server in backend.servers.values():
                    stalled = server.replication.state is ReplicationState.STALLED
                    if stalled is (wanted.state == "STALLED") or not any(
                        fnmatchcase(name, wanted.server) for name in server.names
                    ):
                        continue
                    if stalled:
                        backend.resume_replication(server)
                    else:
                        backend.stall_replication(server)
                    changed.append(server.arn)
        return {"changed": changed}

    def expire_sessions(self, request: Request) -> Any:
        """End the assumed sessions (of an account)."""
        with LOCK:
            return {"expired": self._sandbox.runtime.sessions.expire_all(_read(_Expire, request).account_id)}

    def save(self, request: Request) -> Any:
        """Save the state now."""
        given = _read(_Save, request).path
        path = self._sandbox.state_file if given is None else self._state_path(given)
        if path is None:
            raise ValueError("No state file: start the sandbox with --state FILE, or give a path.")
        save_state(path, self._sandbox.runtime)
        return {"stateFile": str(path)}

    def _state_path(self, given: Path) -> Path:
        """The path of a state file that a caller named; a relative path is relative to the folder of states.

        Raises:
            StatePathError: the path (with symbolic links resolved) is outside that folder, or an existing file is not a
                state file.
        """
        folder = self._sandbox.state_folder
        if folder is None:
            raise StatePathError("This sandbox has no folder for states: start it with --state FILE.")
        folder = folder.resolve()
        path = (folder / given).resolve()
        if not path.is_relative_to(folder) or path == folder:
            raise StatePathError(f"{given} is not in {folder}: a state is written nowhere else.")
        if path.exists() and not is_state(path):
            raise StatePathError(f"{path} exists and is not a state file of a sandbox: name another file.")
        return path

    def reset(self, _: Request) -> Any:
        """Delete the contents of all accounts, the faults and the request log."""
        with LOCK:
            BackendDict.reset()
        self._sandbox.runtime.faults.clear()
        self._sandbox.log.clear()
        return {"reset": True}

    def stop(self, _: Request) -> Any:
        """End the process; it saves the state first."""
        self._sandbox.stop_requested.set()
        return {"stopping": True, "stateFile": str(self._sandbox.state_file) if self._sandbox.state_file else None}


def _json(request: Request) -> Any:
    text = request.get_data(as_text=True)
    return json.loads(text) if text.strip() else {}


M = TypeVar("M", bound=BaseModel)


def _read(model: type[M], request: Request) -> M:
    return model.model_validate(_json(request))


def _unknown(request: Request, error: HTTPException) -> str:
    if error.code == 405:
        return f"{request.path} does not take {request.method}."
    return f"There is no {request.path}; see `prefect_drs.simulator.control` for what there is."


def _validation_message(error: ValidationError) -> str:
    shown = [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()[:5]]
    more = error.error_count() - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")


def _backends(account: str, region: str) -> Iterator[DRSBackend]:
    """The existing backends of the matching accounts and regions."""
    for account_id, regions in list(drs_backends.items()):
        for name, backend in list(regions.items()):
            if fnmatchcase(account_id, account) and fnmatchcase(name, region):
                yield backend


def _seeded_regions() -> list[str]:
    with LOCK:
        accounts = list(drs_backends.values())
        return sorted({region for regions in accounts for region, backend in regions.items() if backend.servers})
