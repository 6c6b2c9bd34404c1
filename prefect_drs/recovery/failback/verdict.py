"""What a step of a failback decides about one server at one reading. Plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do now. `status`: of the server; `note`: why, recorded once; `stuck`: it fails where this lasts."""

    status: str
    note: str = ""
    stuck: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The step is done for the server. `status`: its last one."""

    status: str
    recovery_instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """The step cannot be done for the server. `error`: why, and what to do."""

    error: str


@dataclass(frozen=True, slots=True)
class Call:
    """An operation of DRS is to be called. `operation`: its name; `target`: the id that it is called with."""

    operation: str
    target: str


Verdict = Wait | Done | Fail | Call
