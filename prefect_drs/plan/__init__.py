"""Plans: what a person writes, loaded, resolved by bindings and checked. No AWS, no Prefect, no network.

A file becomes a `document` (values with lines), takes `shape` (fields of the right kind), is a `draft` (names resolved)
that keeps the `rules`, and so a `model`.
"""

from prefect_drs.plan.export import export_manifest, manifest_text
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
from prefect_drs.plan.read.load import Reading, check_manifest, check_values, load_manifest

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
    "check_values",
    "export_manifest",
    "load_bindings",
    "load_manifest",
    "manifest_text",
    "write_bindings",
]
