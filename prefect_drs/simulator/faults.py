"""Faults as data: what fails, where, how often and for how long.

In: a YAML or JSON document (`load_faults`), or fault objects passed to `Faults.add`. Out: answers to the backend's
queries ("does this server fail in this stage?"). Faults never change state.

    faults:
      - kind: server            # a server fails in a stage, or hangs in it
        server: db-*            # source server id, hostname or Name tag; * and ? are wildcards
        stage: conversion       # cleanup | snapshot | conversion | launch
        effect: fail            # fail | hang
        times: 1
      - kind: job               # jobs take longer, or DescribeJobs does not show them at first
        slow: 3.0
        invisibleSeconds: 40
      - kind: operation         # an API operation throttles, fails, times out, or succeeds and loses its response
        operation: StartRecovery
        effect: lose-answer     # throttle | error | time-out | lose-answer
        times: 1
      - kind: region            # every service of the region is unreachable
        region: eu-west-1
      - kind: credentials       # sessions of the account have expired
        account: "222222222222"
      - kind: opt-in            # the region is not enabled for the account
        account: "222222222222"
        region: ap-east-1
      - kind: capacity          # EC2 has no capacity for an instance type in a zone
        instanceType: m5.*
        zone: us-east-1a

Each can be limited to an `account`, `region` and `mode` (drill | recovery), start `afterSeconds` after it was added,
last `forSeconds`, expire after `times` hits, and hit only `every` third match, or with a probability (`share: 0.5`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel
from ruamel.yaml import YAML

from .drs.identifiers import generator

Stage = Literal["cleanup", "snapshot", "conversion", "launch"]


class FaultFilter(BaseModel):
    """The filters of every fault. Names accept the wildcards of `fnmatch`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    account: str = "*"
    region: str = "*"
    after_seconds: float = Field(default=0.0, ge=0, description="Begins this long after it was added.")
    for_seconds: float | None = Field(default=None, gt=0, description="Ends this long after it began.")
    times: int | None = Field(default=None, ge=1, description="Is used up after so many hits.")
    every: int = Field(default=1, ge=1, description="Hits every so-manieth time only: 3 spares two, then hits.")
    share: float = Field(
        default=1.0, gt=0, le=1, description="The probability of a hit; determined by the number of matches."
    )


class ServerFault(FaultFilter):
    """A server fails, or hangs, in a stage of its launch."""

    kind: Literal["server"] = "server"
    server: str = "*"
    stage: Stage = "launch"
    effect: Literal["fail", "hang"] = "fail"
    mode: Literal["drill", "recovery", "*"] = "*"
    message: str = ""


class JobFault(FaultFilter):
    """Jobs take `slow` times as long, `extra_seconds` more, or are hidden from DescribeJobs at first."""

    kind: Literal["job"] = "job"
    mode: Literal["drill", "recovery", "*"] = "*"
    slow: float = Field(default=1.0, gt=0)
    extra_seconds: float = Field(default=0.0, ge=0)
    invisible_seconds: float = Field(default=0.0, ge=0)


class OperationFault(FaultFilter):
    """Calls of an operation are throttled, refused, get no response, or succeed and lose their response."""

    kind: Literal["operation"] = "operation"
    service: str = "drs"
    operation: str = "*"
    effect: Literal["throttle", "error", "time-out", "lose-answer"]
    code: str = "InternalServerException"
    message: str = "An internal error occurred."


class RegionFault(FaultFilter):
    """No service of the region answers; the global endpoints of STS and IAM do."""

    kind: Literal["region"] = "region"


class CredentialsFault(FaultFilter):
    """Sessions assumed in the account are refused as expired; new sessions work."""

    kind: Literal["credentials"] = "credentials"
    role: str = "*"


class OptInFault(FaultFilter):
    """The region is not enabled for the account: its credentials are unknown there, and no role can be assumed."""

    kind: Literal["opt-in"] = "opt-in"


class CapacityFault(FaultFilter):
    """EC2 returns InsufficientInstanceCapacity for an instance type in a zone."""

    kind: Literal["capacity"] = "capacity"
    instance_type: str = "*"
    zone: str = "*"


AnyFault = Annotated[
    ServerFault | JobFault | OperationFault | RegionFault | CredentialsFault | OptInFault | CapacityFault,
    Field(discriminator="kind"),
]
F = TypeVar("F", bound=FaultFilter)
_ADAPTER: TypeAdapter[AnyFault] = TypeAdapter(AnyFault)


class FaultsDocument(BaseModel):
    """The document that holds faults."""

    model_config = ConfigDict(extra="forbid")
    faults: list[AnyFault] = Field(default_factory=list)


def load_faults(source: str | Path | dict[str, Any]) -> list[AnyFault]:
    """Read a faults document: a path to YAML or JSON, its text, or its data.

    Raises:
        pydantic.ValidationError: the violations of the schema, each with its location.
    """
    if isinstance(source, dict):
        data: Any = source
    else:
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        data = YAML(typ="safe").load(text) or {}
    return FaultsDocument.model_validate(data).faults


@dataclass(slots=True)
class PlantedFault:
    """A fault that has been added: its id, its time, and its number of hits."""

    id: str
    fault: AnyFault
    added_at: datetime
    hits: int = 0
    asks: int = 0

    def is_live(self, now: datetime) -> bool:
        """Whether it is active at `now`."""
        begin = self.added_at + timedelta(seconds=self.fault.after_seconds)
        if now < begin or (self.fault.times is not None and self.hits >= self.fault.times):
            return False
        return self.fault.for_seconds is None or now < begin + timedelta(seconds=self.fault.for_seconds)

    def takes(self) -> bool:
        """Whether it hits this matching query (`every`, `share`)."""
        self.asks += 1
        if self.asks % self.fault.every:
            return False
        return self.fault.share >= 1 or generator("fault", self.id, self.asks).random() < self.fault.share

    def describe(self) -> dict[str, Any]:
        """The fault as data, for the control endpoint."""
        data = self.fault.model_dump(by_alias=True, exclude_none=True)
        return {"id": self.id, "hits": self.hits, "addedAt": self.added_at.isoformat(), **data}


@dataclass(slots=True)
class Faults:
    """The faults of a process. Safe to change from several threads while it runs."""

    now: Any
    _planted: list[PlantedFault] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _count: int = 0

    def add(self, fault: AnyFault | dict[str, Any]) -> str:
        """Add a fault; returns its id.

        Raises:
            pydantic.ValidationError: a dict that violates the schema.
        """
        ready = _ADAPTER.validate_python(fault) if isinstance(fault, dict) else fault
        with self._lock:
            self._count += 1
            planted = PlantedFault(f"fault-{self._count}", ready, self.now())
            self._planted.append(planted)
            return planted.id

    def extend(self, faults: Iterable[AnyFault | dict[str, Any]]) -> list[str]:
        """Add several faults."""
        return [self.add(fault) for fault in faults]

    def remove(self, fault_id: str) -> bool:
        """Delete a fault; returns whether it existed."""
        with self._lock:
            remaining = [planted for planted in self._planted if planted.id != fault_id]
            removed = len(remaining) != len(self._planted)
            self._planted = remaining
            return removed

    def clear(self) -> None:
        """Delete all faults."""
        with self._lock:
            self._planted = []

    def __iter__(self) -> Iterator[PlantedFault]:
        with self._lock:
            return iter(list(self._planted))

    def __len__(self) -> int:
        return len(self._planted)

    def fail_server(self, server: str, stage: Stage = "launch", **narrowed: Any) -> str:
        """Make `server` (id, hostname, Name tag, wildcards) fail in `stage`."""
        return self.add(ServerFault(server=server, stage=stage, **narrowed))

    # Queries of the backend. Each result that is not None counts as a hit.

    def hit(self, kind: type[F], account: str, region: str, **names: Any) -> F | None:
        """The first active fault of `kind` here whose fields match `names`; counts as a hit.

        A name may be a tuple of alternatives (a server's id, hostname and Name tag).
        """
        if not self._planted:
            return None
        now = self.now()
        with self._lock:
            for planted in self._planted:
                fault = planted.fault
                if not isinstance(fault, kind) or not planted.is_live(now):
                    continue
                if _matches(fault, account, region, names) and planted.takes():
                    planted.hits += 1
                    return fault
        return None


def _matches(fault: FaultFilter, account: str, region: str, names: dict[str, Any]) -> bool:
    if not fnmatchcase(account, fault.account) or not fnmatchcase(region, fault.region):
        return False
    for name, value in names.items():
        pattern = str(getattr(fault, name))
        options = value if isinstance(value, tuple) else (value,)
        if pattern != "*" and not any(fnmatchcase(str(option), pattern) for option in options):
            return False
    return True
