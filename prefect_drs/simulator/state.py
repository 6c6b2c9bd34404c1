"""Saving and loading a sandbox: DRS, the moto services, the clock, the sessions and the faults, in one file.

In: a path and the runtime. Out: the file, written atomically and readable by its owner only; or the backends, restored
from it. moto's backends can only be stored as Python objects, so the file has a JSON header with the versions that
wrote it, followed by a pickle. A file of another format, or by another version of moto or Python, is refused before the
pickle is read. Unpickling can run code: do not load state files from untrusted sources. Only classes of this package,
of moto and of the standard library's data types are loaded.
"""

from __future__ import annotations

import importlib
import io
import json
import pickle
import sys
import threading
from collections import defaultdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from moto.moto_api._internal import mock_random

from prefect_drs.core.errors import UsageError
from prefect_drs.core.private_files import make_folder, write_file
from prefect_drs.simulator.clock import SimulatorClock, SpeedClock, StepClock
from prefect_drs.simulator.runtime import LOCK, Runtime

FORMAT = 2
MAGIC = b"prefect-drs sandbox state\n"
SERVICES = (
    "drs", "ec2", "iam", "sts", "sns", "sqs", "ssm", "kms", "events", "scheduler", "cloudwatch", "s3", "servicequotas",
)  # fmt: skip
_LOCK_TYPE = type(threading.RLock())
_MODULES = ("moto", "prefect_drs.simulator", "collections", "datetime", "ipaddress", "decimal", "uuid", "zoneinfo")
_OLD = "prefect_drs.simulator."
_MOVED = {
    **dict.fromkeys(
        ("models", "jobs", "launching", "durations", "instances", "launch_configurations", "recovery_instances",
         "recovery_plans", "replication", "source_networks", "source_servers"),
        "drs",
    ),
    "launch_templates": "services",
}  # fmt: skip
"""Rooms of the modules that a state of 0.1.0 names in `simulator` itself."""
_TEMPLATE = (f"{_OLD}drs.configuration_templates", "ConfigurationTemplate")
_PLAN = (f"{_OLD}drs.recovery_plans", "DrsRecoveryPlan")
_RENAMED = {
    (f"{_OLD}recovery_plans", "RecoveryPlan"): _PLAN,
    (f"{_OLD}drs.recovery_plans", "RecoveryPlan"): _PLAN,
    (f"{_OLD}sessions", "Sessions"): (f"{_OLD}sessions", "AssumedSessions"),
    (f"{_OLD}launch_configurations", "LaunchConfigurationTemplate"): _TEMPLATE,
    (f"{_OLD}launch_configurations", "ReplicationConfigurationTemplate"): _TEMPLATE,
}
"""Classes of earlier versions under the names that they have now."""
_BUILTINS = frozenset(
    {"set", "frozenset", "bytearray", "complex", "slice", "range", "list", "dict", "tuple", "getattr", "object"}
)
_OTHERS = frozenset(
    {
        ("_thread", "RLock"),
        ("threading", "Condition"),
        ("_codecs", "encode"),
        ("re", "_compile"),
        ("copyreg", "_reconstructor"),
        ("random", "Random"),
        ("functools", "partial"),
        ("itertools", "count"),
    }
)


def save_state(path: Path, runtime: Runtime) -> None:
    """Write the file; it replaces an existing file atomically.

    Raises:
        OSError: the file cannot be written.
    """
    with LOCK:
        now = runtime.now()
        state = {
            "backends": {service: _backends_of(service) for service in SERVICES},
            "sessions": runtime.sessions,
            "faults": list(runtime.faults),
            "seed": runtime.seed,
            "now": now,
            "random": mock_random.getstate(),
        }
        body = _pickled(state)
    head = {**_head(), "savedAt": datetime.now(UTC).isoformat(), "simulatedAt": now.isoformat()}
    path = path.absolute()
    make_folder(path.parent)
    write_file(path, MAGIC + json.dumps(head).encode() + b"\n" + body)


def is_state(path: Path) -> bool:
    """Whether a file is a state file of a sandbox, of any version.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def load_state(path: Path, runtime: Runtime) -> None:
    """Restore the backends, the clock, the sessions and the faults from a file; replaces their contents.

    Simulated time continues from the time of the save, so no simulated time has passed in between.

    Raises:
        UsageError: not a state file, or one of another version; nothing was changed.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    head, body = _parted(path, content)
    for name, mine in _head().items():
        if head.get(name) != mine:
            raise UsageError(
                f"{path} was written by {name} {head.get(name)}, this is {name} {mine}: a state is only loaded by the "
                "version that saved it. Start without --state, or with another file, and seed again."
            )
    try:
        state = _Loader(io.BytesIO(body)).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is damaged and cannot be loaded ({error}). Start with another file.") from error
    with LOCK:
        for service, accounts in state["backends"].items():
            backends = _backend_dict(service)
            backends.clear()
            for account, regions in accounts.items():
                for region, backend in regions.items():
                    dict.__setitem__(backends[account], region, backend)
                    _revive(service, backend)
        runtime.sessions = state["sessions"]
        runtime.seed = state["seed"]
        runtime.clock = _clock_from(runtime.clock, state["now"])
        runtime.faults._planted = state["faults"]
        runtime.faults._count = max((int(planted.id.rpartition("-")[2]) for planted in state["faults"]), default=0)
        mock_random.setstate(state["random"])


def _clock_from(clock: SimulatorClock, then: datetime) -> SimulatorClock:
    """A clock that continues from `then` with the speed of `clock`."""
    if isinstance(clock, SpeedClock):
        return SpeedClock(clock.speed, start=then)
    if isinstance(clock, StepClock) and clock.now() <= then:
        clock.advance((then - clock.now()).total_seconds())
        return clock
    return StepClock(then)


def _head() -> dict[str, Any]:
    return {"format": FORMAT, "moto": version("moto"), "python": f"{sys.version_info.major}.{sys.version_info.minor}"}


def _parted(path: Path, content: bytes) -> tuple[dict[str, Any], bytes]:
    rest = content.removeprefix(MAGIC)
    line, _, body = rest.partition(b"\n")
    try:
        head = json.loads(line) if rest is not content else None
    except ValueError:
        head = None
    if not isinstance(head, dict):
        raise UsageError(f"{path} is not a state file of a sandbox. Name another file for --state.")
    return head, body


def _backend_dict(service: str) -> Any:
    name = "prefect_drs.simulator.drs.models" if service == "drs" else f"moto.{service}.models"
    return getattr(importlib.import_module(name), f"{service}_backends")


def _backends_of(service: str) -> dict[str, dict[str, Any]]:
    return {
        account: dict(regions.items())  # as a plain dict: moto's own makes a backend for each region asked for
        for account, regions in _backend_dict(service).items()
    }


def _empty(kind: type[defaultdict[Any, Any]]) -> defaultdict[Any, Any]:
    """A dictionary of moto's type, created without its constructor's arguments."""
    return defaultdict.__new__(kind)


def _now_called(module: str, name: str) -> tuple[str, str]:
    """The current module and name of a class in a state file of this version or of 0.1.0."""
    if (module, name) in _RENAMED:
        return _RENAMED[module, name]
    room = _MOVED.get(module.removeprefix(_OLD)) if module.startswith(_OLD) else None
    return (module if room is None else f"{_OLD}{room}.{module.removeprefix(_OLD)}"), name


class _Saver(pickle.Pickler):
    """Pickles what moto's objects hold beside plain data: locks, and dictionaries whose default is a lambda."""

    def reducer_override(self, obj: Any) -> Any:
        """How to rebuild `obj`, if pickle cannot."""
        if isinstance(obj, _LOCK_TYPE):
            return threading.RLock, ()
        if isinstance(obj, threading.Condition):
            return threading.Condition, ()
        if isinstance(obj, defaultdict) and type(obj) is not defaultdict:
            return _empty, (type(obj),), vars(obj), None, iter(obj.items())
        if isinstance(obj, defaultdict) and "<lambda>" in getattr(obj.default_factory, "__qualname__", ""):
            return dict, (dict(obj),)  # `_revive` puts the default back
        return NotImplemented


def _pickled(state: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    _Saver(stream, protocol=5).dump(state)
    return stream.getvalue()


def _revive(service: str, backend: Any) -> None:
    """Restore what a pickle omits: the defaults of dictionaries, and the iterators of moto's subnets over addresses."""
    fresh: dict[str, Any] = _fresh(f"{type(backend).__module__}.{type(backend).__qualname__}", type(backend))
    for name, value in fresh.items():
        loaded = vars(backend).get(name)
        if isinstance(value, defaultdict) and isinstance(loaded, defaultdict):
            loaded.default_factory = value.default_factory
        elif isinstance(value, defaultdict) and isinstance(loaded, dict):
            setattr(backend, name, defaultdict(value.default_factory, loaded))
    if service != "ec2":
        return
    for by_id in backend.subnets.values():
        for subnet in by_id.values():
            for _ in range(3):
                next(iter(subnet._subnet_ip_generator), None)


_FRESH: dict[str, dict[str, Any]] = {}


def _fresh(name: str, kind: type[Any]) -> dict[str, Any]:
    """The attributes of a new backend of that kind, cached: only its defaults are used."""
    if name not in _FRESH:
        _FRESH[name] = dict(vars(kind("us-east-1", "000000000000")))
    return _FRESH[name]


def _safe_getattr(owner: Any, name: str) -> Any:
    """The `getattr` that a pickle of bound methods needs, for our own and moto's objects and plain names only."""
    if name.startswith("_") or not type(owner).__module__.startswith(("moto.", "prefect_drs.simulator")):
        raise pickle.UnpicklingError(f"{type(owner).__name__}.{name} is not allowed")
    return getattr(owner, name)


class _Loader(pickle.Unpickler):
    """Loads only classes of this package, of moto and of plain data, and no functions."""

    def find_class(self, module: str, name: str) -> Any:
        """The class with that name.

        Raises:
            pickle.UnpicklingError: a state file may not contain the class.
        """
        if (module, name) == ("builtins", "getattr"):
            return _safe_getattr
        if (module, name) == (__name__, "_empty"):
            return _empty
        module, name = _now_called(module, name)
        if (module, name) in _OTHERS or (module == "builtins" and name in _BUILTINS):
            return super().find_class(module, name)
        if any(module == allowed or module.startswith(allowed + ".") for allowed in _MODULES):
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__.split(".")[0] in {m.split(".")[0] for m in _MODULES}:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
