"""The simulated time in moto's EC2, IAM, Systems Manager, EventBridge and CloudWatch Logs.

In: moto's modules of these services, which read the machine's time. Out: the same modules with the time of the runtime
in force, so that instances, volumes, launch templates, roles, commands and events carry the time of the jobs that made
them. Outside `mock_drs` and the sandbox server the time is the machine's. SQS keeps the machine's time: it waits for
messages, and would wait for ever on a clock that stands still; so do the expiry of sessions, which botocore judges by
the machine's clock, and S3.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from moto.core import utils

from ..runtime import current, is_simulated

SERVICES = ("ec2", "events", "iam", "logs", "ssm")
_EPOCH = datetime(1970, 1, 1)  # moto's times have no zone
_machine_time = utils.utcnow


def _utcnow() -> datetime:
    """As moto's: UTC without a zone."""
    return current().now().astimezone(UTC).replace(tzinfo=None) if is_simulated() else _machine_time()


def _unix_time(at: datetime | None = None) -> float:
    return ((at or _utcnow()) - _EPOCH).total_seconds()


def _unix_time_millis(at: datetime | None = None) -> float:
    return _unix_time(at) * 1000.0


def share_clock() -> None:
    """Replace the clocks of moto's services. Called once per process, by `install`."""
    ours: dict[Any, Callable[..., Any]] = {
        utils.utcnow: _utcnow,
        utils.unix_time: _unix_time,
        utils.unix_time_millis: _unix_time_millis,
    }
    for service in SERVICES:
        import_module(f"moto.{service}.models")  # moto would import some of them later, with the machine's clock
    prefixes = tuple(f"moto.{service}." for service in SERVICES)
    for name, module in list(sys.modules.items()):
        if name.startswith(prefixes):
            for attribute in ("utcnow", "unix_time", "unix_time_millis"):
                found = getattr(module, attribute, None)
                if found in ours:
                    setattr(module, attribute, ours[found])
