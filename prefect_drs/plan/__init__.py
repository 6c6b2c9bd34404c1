"""Plans: what a person writes, loaded, resolved by bindings and checked. No AWS, no Prefect, no network.

A file is read into a `document` (values with lines), checked by `shape` (fields of the right kind), resolved into a
`draft` (names bound), judged by the `rules`, and becomes a `model`.
"""

from prefect_drs.plan.export import export_manifest
from prefect_drs.plan.model import (
    LaunchSettings,
    Licensing,
    Manifest,
    ProtectionGroup,
    RecoveryMode,
    RecoveryPlan,
    ServerEntry,
    Wave,
)
from prefect_drs.plan.read.bindings import Bindings, Bound, load_bindings, write_bindings
from prefect_drs.plan.read.load import Reading, check_manifest, check_text, check_values, load_manifest

__all__ = [
    "Bindings",
    "Bound",
    "LaunchSettings",
    "Licensing",
    "Manifest",
    "ProtectionGroup",
    "Reading",
    "RecoveryMode",
    "RecoveryPlan",
    "ServerEntry",
    "Wave",
    "check_manifest",
    "check_text",
    "check_values",
    "export_manifest",
    "load_bindings",
    "load_manifest",
    "write_bindings",
]
