"""The sandbox as a server: moto's services and DRS on one port of 127.0.0.1, with a control endpoint beside them.

In: a port, a clock, a seed, a state file. Out: an endpoint URL for the AWS CLI, boto3 and this tool.
`SandboxServer` runs it in a thread of this process, for tests:

    with SandboxServer(clock=StepClock()) as sandbox:
        drs = boto3.client("drs", endpoint_url=sandbox.endpoint_url, region_name="us-east-1")
        sandbox.clock.advance(3600)
        assert not sandbox.log.find(operation="StartRecovery")

`python -m prefect_drs.simulator.server` runs it in the foreground until SIGINT, SIGTERM or `POST /_sandbox/stop`;
`prefect-drs sandbox start` starts that in the background. It always binds to 127.0.0.1 only. One sandbox per process:
moto's state is global to the process.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moto.core.base_backend import BackendDict
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from prefect_drs.core.errors import PrefectDrsError, UsageError
from prefect_drs.core.private_files import make_folder, write_file
from prefect_drs.simulator.callers import foreign_caller
from prefect_drs.simulator.calls import CallObserver
from prefect_drs.simulator.clock import SimulatorClock, SpeedClock
from prefect_drs.simulator.control import PREFIX, SandboxControl
from prefect_drs.simulator.http_server import SandboxHTTPServer
from prefect_drs.simulator.registration import functions_answer, images_loaded, install
from prefect_drs.simulator.request_log import RequestLog
from prefect_drs.simulator.runtime import Runtime, use
from prefect_drs.simulator.services.signatures import query_credential
from prefect_drs.simulator.state import load_state, save_state
from prefect_drs.simulator.throttling import Throttle

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"
_running = threading.Lock()


class ServicesApplication(DomainDispatcherApplication):
    """moto's dispatcher with a cache of the service of each host.

    moto searches its package's directory for each pattern and call, which takes longer than most operations.
    """

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._owners: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        """The service that answers for a host name.

        Raises:
            NotImplementedError: moto has none.
        """
        if host not in self._owners:
            self._owners[host] = super().get_backend_for_host(host)
        if self._owners[host] is None and host is not None and host.endswith(".amazonaws.com"):
            raise NotImplementedError(f"moto has no service for {host}")
        return self._owners[host]

    def infer_service_region_host(self, environ: dict[str, Any], path: str) -> str | None:
        """As moto's, which takes no presigned request for one of STS."""
        scope = query_credential(environ.get("QUERY_STRING", "")).split("/")
        if len(scope) == 5 and scope[3] == "sts" and not environ.get("HTTP_AUTHORIZATION"):
            return f"sts.{scope[2]}.amazonaws.com"
        inferred: str | None = super().infer_service_region_host(environ, path)
        return inferred


class SandboxServer:
    """A sandbox in this process.

    Args:
        port: 0 takes a free one.
        clock: simulated time; default: real time at speed 1.
        seed: determines ids and durations of DRS.
        state_file: loaded at the start if it exists, written at the end.
        state_folder: the folder for other state files of the control endpoint; default: that of `state_file`.
        log_capacity: the maximum number of calls in the request log.
        throttle: token buckets per operation; no throttling by default.
        amis: whether moto's 1,300 images exist; they take most of the time of a region's first call.

    Raises:
        OSError: the port is taken.
        UsageError: the state file is of another version; or a sandbox already runs in this process.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        clock: SimulatorClock | None = None,
        seed: int = 0,
        state_file: Path | None = None,
        state_folder: Path | None = None,
        log_capacity: int | None = None,
        throttle: Throttle | None = None,
        amis: bool = False,
    ) -> None:
        self.id = uuid.uuid4().hex
        self.runtime = Runtime(clock=clock or SpeedClock(), seed=seed, throttle=throttle)
        self.state_file = state_file
        self.state_folder = state_file.absolute().parent if state_file is not None else state_folder
        self.log = RequestLog(log_capacity) if log_capacity else RequestLog()
        self.stopped = threading.Event()
        self.stop_requested = threading.Event()
        self._port = port
        self._amis = amis
        self._server: SandboxHTTPServer | None = None
        self._open = contextlib.ExitStack()

    @property
    def clock(self) -> Any:
        """The clock in force."""
        return self.runtime.clock

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port if self._server else self._port

    @property
    def endpoint_url(self) -> str:
        """The endpoint URL for AWS clients."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> SandboxServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> SandboxServer:
        """Start it; it answers when this method returns."""
        with contextlib.ExitStack() as opening:
            opening.enter_context(_only_one())
            install()
            opening.enter_context(images_loaded(self._amis))
            opening.enter_context(functions_answer())
            BackendDict.reset()
            opening.callback(BackendDict.reset)
            opening.enter_context(use(self.runtime))
            if self.state_file is not None and self.state_file.exists():
                load_state(self.state_file, self.runtime)
            self.log.watch(self.runtime)
            self._server = SandboxHTTPServer(self._application(), HOST, self._port)
            opening.callback(self._server.server_close)
            thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True)
            thread.start()
            opening.callback(thread.join)
            opening.callback(self._server.close)
            self._open = opening.pop_all()
        return self

    def stop(self) -> None:
        """Save the state if configured, and stop; idempotent."""
        if self.stopped.is_set():
            return
        self.stopped.set()
        with self._open:
            if self._server is not None:
                self._server.close()  # first, so that no call succeeds that is not in the saved state
            self.save()

    def save(self) -> Path | None:
        """Write the state file now; None if none is configured."""
        if self.state_file is not None:
            save_state(self.state_file, self.runtime)
        return self.state_file

    def _application(self) -> WSGIApplication:
        services = CallObserver(ServicesApplication(), self.runtime)
        control = SandboxControl(self)

        def application(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
            if environ["PATH_INFO"].startswith(PREFIX):
                return control(environ, start_response)
            if reason := foreign_caller(environ, self.port, aws=not environ["PATH_INFO"].startswith("/moto-api")):
                return _refused(reason, start_response)
            return services(environ, start_response)

        return application


def _refused(reason: str, start_response: StartResponse) -> list[bytes]:
    body = json.dumps({"__type": "AccessDeniedException", "message": reason}).encode()
    start_response("403 Forbidden", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    if not _running.acquire(blocking=False):
        raise UsageError(
            "A sandbox already runs in this process: stop it first, moto's state is global to the process."
        )
    try:
        yield
    finally:
        _running.release()


def main(arguments: list[str] | None = None) -> int:
    """Run a sandbox until a signal or `POST /_sandbox/stop`; the exit code.

    Args:
        arguments: `--port --speed --seed --state --particulars`; those of this process where None.
    """
    parser = argparse.ArgumentParser(prog="python -m prefect_drs.simulator.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--particulars", type=Path, help="a file that says where the sandbox is, while it is there")
    given = parser.parse_args(arguments)
    states = given.particulars.absolute().parent / "states" if given.particulars else None
    sandbox = SandboxServer(
        given.port, clock=SpeedClock(given.speed), seed=given.seed, state_file=given.state, state_folder=states
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sandbox.stop_requested.set())
    try:
        sandbox.start()
        _tell_where(sandbox, given.particulars)
        sandbox.stop_requested.wait()
        sandbox.stop()
    except (PrefectDrsError, OSError) as error:
        print(f"prefect-drs: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, PrefectDrsError) else PrefectDrsError.exit_code
    finally:
        _tell_no_more(sandbox, given.particulars)
    return 0


def _tell_where(sandbox: SandboxServer, particulars: Path | None) -> None:
    running = {"id": sandbox.id, "pid": os.getpid(), "port": sandbox.port, "endpointUrl": sandbox.endpoint_url}
    if particulars is None:
        print(json.dumps(running), flush=True)
        return
    make_folder(particulars.absolute().parent)
    write_file(particulars, json.dumps(running).encode())


def _tell_no_more(sandbox: SandboxServer, particulars: Path | None) -> None:
    """Delete the file, unless it belongs to another sandbox."""
    with contextlib.suppress(OSError, ValueError):
        if particulars is not None and json.loads(particulars.read_text(encoding="utf-8")).get("id") == sandbox.id:
            particulars.unlink()


if __name__ == "__main__":
    sys.exit(main())
