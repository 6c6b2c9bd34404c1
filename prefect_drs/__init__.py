"""Disaster recovery on AWS Elastic Disaster Recovery (DRS), orchestrated as Prefect flows.

A recovery plan is data: `load_manifest` reads it, `compile_plan` makes a Prefect flow of it, the flow drives DRS and
answers with a `RecoveryReport`.

    >>> from prefect_drs import load_manifest, compile_plan
    >>> manifest = load_manifest("three-tier.json", bindings="bindings.yaml")
    >>> flow = compile_plan(manifest, plan="3TierFullStackRecoveryPlan")
    >>> report = flow(mode="drill")

The public names are imported when they are first asked for: importing the package costs next to nothing and loads
neither Prefect nor boto3.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect_drs.client import Client
    from prefect_drs.core.errors import Fault, FaultyInputError, PrefectDrsError
    from prefect_drs.orchestration.blocks import TargetAccount
    from prefect_drs.orchestration.flow.compile import compile_plan
    from prefect_drs.plan import Bindings, Manifest, check_manifest, load_bindings, load_manifest, write_bindings
    from prefect_drs.plan.graph import WaveGraph
    from prefect_drs.report.model import RecoveryReport

_WHERE = {
    "Bindings": "prefect_drs.plan",
    "Client": "prefect_drs.client",
    "Fault": "prefect_drs.core.errors",
    "FaultyInputError": "prefect_drs.core.errors",
    "Manifest": "prefect_drs.plan",
    "PrefectDrsError": "prefect_drs.core.errors",
    "RecoveryReport": "prefect_drs.report.model",
    "TargetAccount": "prefect_drs.orchestration.blocks",
    "WaveGraph": "prefect_drs.plan.graph",
    "check_manifest": "prefect_drs.plan",
    "compile_plan": "prefect_drs.orchestration.flow.compile",
    "load_bindings": "prefect_drs.plan",
    "load_manifest": "prefect_drs.plan",
    "write_bindings": "prefect_drs.plan",
}

__all__ = [
    "Bindings",
    "Client",
    "Fault",
    "FaultyInputError",
    "Manifest",
    "PrefectDrsError",
    "RecoveryReport",
    "TargetAccount",
    "WaveGraph",
    "check_manifest",
    "compile_plan",
    "load_bindings",
    "load_manifest",
    "write_bindings",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("prefect-drs")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE, "__version__"})
