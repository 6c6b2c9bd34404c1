"""200 requests a second of status and lists to `prefect-drs serve` while 1,000 servers are drilled.

    python -m benchmarks.rest_load [--rate 200] [--seconds 60] [--servers 1000] [--speed 40] [--profile FILE]

from the repository's root. Everything is a process of its own, as in production: a Prefect server, the sandbox, the
REST face, the drill (`prefect-drs drill`, which carries itself out as a worker does), and the client
(`benchmarks.load`, open loop). The plan is stored by REST. It is drilled twice from the same state of the sandbox: by
itself, and under the load, which begins with the first job. Printed side by side: p50, p95, p99 and the longest latency
in milliseconds, errors, the CPU seconds of each process, and the drill's RTO.

The sandbox's time runs `speed` times faster than the clock, so that a second by which the drill is held up counts as
`speed` seconds of its RTO: the difference between both RTOs is that much larger than it would be in AWS.

Exit code 1 where a request failed, or fewer were sent than the rate asks for.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
OURS = [sys.executable, "-m", "prefect_drs.cli"]
PLAN = "Site"
REGION = "us-east-1"
WAVES = ((1, 0.2, ()), (2, 0.5, (1,)), (3, 0.3, (1,)))
"""Number, share of the servers, and the waves it waits for."""
START_SECONDS = 120.0
DRILL_SECONDS = 900.0


@dataclass(frozen=True)
class Drilled:
    """A drill: its RTO in simulated seconds, its real seconds, and the figures of the load beside it."""

    rto: float
    seconds: float
    status: str
    load: dict[str, Any] | None
    cpu: Mapping[str, float]


def manifest(servers: int) -> dict[str, Any]:
    """A plan of three waves over so many servers."""
    groups, first = [], 0
    for number, share, _ in WAVES:
        count = round(servers * share)
        ids = [f"load-{index:04d}" for index in range(first, first + count)]
        groups.append({"groupName": f"group {number}", "region": REGION, "sourceServerIds": ids})
        first += count
    waves = [
        {
            "waveNumber": number,
            "waveName": f"wave {number}",
            "protectionGroupNames": [f"group {number}"],
            "dependsOnWaves": list(after),
        }
        for number, _, after in WAVES
    ]
    return {"schemaVersion": "1.1", "protectionGroups": groups, "recoveryPlans": [{"planName": PLAN, "waves": waves}]}


class Site:
    """The processes of one run, and the environment that leads each to the others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PREFECT_"))},
            "HOME": str(folder),
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_DRS_HOME": str(folder / "drs"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.url = ""

    @contextmanager
    def process(self, name: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """A process that ends with the block; its output is in a file of its name."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)  # noqa: S603
            self.processes[name] = process
            try:
                yield process
            finally:
                process.terminate()
                process.wait(60)

    def command(self, *arguments: str) -> str:
        """What a command of the package prints."""
        done = subprocess.run(  # noqa: S603
            [*OURS, *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
        return done.stdout

    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds of each process until now."""
        used = {name: _cpu_of(process.pid) for name, process in self.processes.items() if process.poll() is None}
        serve = self.processes["serve"].pid
        ran, waited, _ = Path(f"/proc/{serve}/task/{serve}/schedstat").read_text(encoding="ascii").split()
        loop = {"serve's event loop": int(ran) / 1e9, "serve's event loop waiting for a core": int(waited) / 1e9}
        return {**used, **loop, "all of the machine": _busy()}


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _busy() -> float:
    """CPU seconds of the machine, also of work that is none of this benchmark's."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    return (sum(map(int, fields[:3])) + sum(map(int, fields[5:8]))) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _until(look: Callable[[], Any], what: str, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"{what}: not within {seconds:.0f} s")


def start_site(site: Site, stack: ExitStack, options: argparse.Namespace) -> None:
    """Start Prefect, the sandbox and the REST face; store the plan over REST."""
    port = _free_port()
    site.environment["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    prefect = (sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    stack.enter_context(site.process("prefect", *prefect, "--no-ui"))
    file = site.folder / "plan.json"
    file.write_text(json.dumps(manifest(options.servers)), encoding="utf-8")
    stack.callback(lambda: site.command("sandbox", "stop"))
    site.command("sandbox", "start", "--port", "0", "--speed", str(options.speed))
    bindings = site.folder / "bindings.yaml"
    site.command("sandbox", "seed", str(file), "--bindings", str(bindings))
    exported = site.command("sandbox", "env")
    for line in exported.splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        if line.startswith("export "):
            site.environment[name] = value.strip("'\"")
    api = site.environment["PREFECT_API_URL"]
    _until(lambda: httpx.get(f"{api}/health").is_success, "the Prefect server starts", START_SECONDS)
    port = _free_port()
    site.url = f"http://127.0.0.1:{port}"
    serve = [*OURS, "serve", "--port", str(port), "--requests-per-second", "10000"]
    if options.profile:
        serve = [sys.executable, "-m", "cProfile", "-o", str(options.profile), *serve[1:]]
    stack.enter_context(site.process("serve", *serve))
    _until(lambda: httpx.get(f"{site.url}/ready").is_success, "the REST face starts", START_SECONDS)
    body = {"manifest": json.loads(file.read_text(encoding="utf-8")), "bindings": YAML(typ="safe").load(bindings)}
    answer = httpx.post(f"{site.url}/config/import", json=body, timeout=DRILL_SECONDS)
    if not answer.is_success:
        raise SystemExit(f"the plan was not stored: {answer.text[:2000]}")


def drill(site: Site, options: argparse.Namespace, *, loaded: bool) -> Drilled:
    """Drill the plan, with or without the load beside it."""
    former = {each["executionId"] for each in httpx.get(f"{site.url}/executions").json()["executions"]}
    before = site.cpu_seconds()
    began = time.monotonic()
    command = [*OURS, "drill", "estate:", "--plan", PLAN, "--yes", "--json"]
    with (site.folder / "drill.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            command, cwd=ROOT, env=site.environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
        load = _load_beside(site, options, former) if loaded else None
        output, _ = process.communicate(timeout=DRILL_SECONDS)
    seconds = time.monotonic() - began
    if process.returncode:
        raise SystemExit(
            f"the drill ended with {process.returncode}: {(site.folder / 'drill.log').read_text()[-3000:]}"
        )
    report = json.loads(output[output.index("{") :])
    used = {name: round(value - before.get(name, 0.0), 1) for name, value in site.cpu_seconds().items()}
    figures = json.loads(load.communicate(timeout=DRILL_SECONDS)[0]) if load is not None else None
    _terminate(f"{site.url}/executions/{report['executionId']}")
    return Drilled(report["achievedRtoSeconds"], seconds, report["status"], figures, used)


def _terminate(place: str) -> None:
    """Terminate the instances of an execution, so that the next drill begins as this one did."""
    answer = httpx.post(f"{place}/terminate-instances", json={}, timeout=DRILL_SECONDS).json()

    def is_over() -> bool:
        return bool(httpx.get(f"{place}/termination-status", timeout=120).json()["status"] == "TERMINATED")

    _until(is_over, f"the instances are terminated ({answer.get('status')})", DRILL_SECONDS)


def _load_beside(site: Site, options: argparse.Namespace, former: set[str]) -> subprocess.Popen[str]:
    """Start the client once the drill has begun to launch."""

    def launching() -> str | None:
        for each in httpx.get(f"{site.url}/executions").json()["executions"]:
            if each["executionId"] not in former:
                shown = httpx.get(f"{site.url}/executions/{each['executionId']}").json()
                if any(wave["jobs"] for wave in shown["waves"]):
                    return str(each["executionId"])
        return None

    execution_id = _until(launching, "the drill begins", DRILL_SECONDS)
    paths = [
        f"/executions/{execution_id}",
        "/executions",
        f"/executions/{execution_id}",
        "/executions?status=IN_PROGRESS",
        "/gates",
        f"/executions/{execution_id}",
        "/recovery-plans",
        f"/executions/{execution_id}/gates",
        "/protection-groups",
        "/accounts/targets",
    ]
    command = [sys.executable, "-m", "benchmarks.load", site.url, "--rate", str(options.rate)]
    command += ["--seconds", str(options.seconds), *(part for path in paths for part in ("--path", path))]
    return subprocess.Popen(command, cwd=ROOT, env=site.environment, stdout=subprocess.PIPE, text=True)  # noqa: S603


def main() -> int:
    """Print the figures; 1 where a request failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rest_load", description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the load lasts")
    parser.add_argument("--servers", type=int, default=1000)
    parser.add_argument("--speed", type=float, default=40.0, help="simulated seconds per second")
    parser.add_argument("--profile", type=Path, help="write a profile of the REST face here (cProfile)")
    parser.add_argument("--loaded-only", action="store_true", help="leave out the drill without load")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rest-load-"))
    with ExitStack() as stack:
        site = Site(folder)
        start_site(site, stack, options)
        runs = {} if options.loaded_only else {"without load": drill(site, options, loaded=False)}
        runs["with load"] = drill(site, options, loaded=True)
    shutil.rmtree(folder, ignore_errors=True)
    for name, run in runs.items():
        print(f"{name}: RTO {run.rto:.0f} s simulated, {run.seconds:.1f} s real, {run.status}, CPU seconds {run.cpu}")
    load = runs["with load"].load or {}
    print(json.dumps(load, indent=2))
    short = load.get("requests", 0) < int(options.rate * options.seconds)
    return int(bool(load.get("errors")) or short)


if __name__ == "__main__":
    raise SystemExit(main())
