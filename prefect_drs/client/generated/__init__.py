"""All operations as methods. Written by `python -m tests.client.generator`; do not edit it."""

from __future__ import annotations

from prefect_drs.client.generated.access_policy import AccessPolicyOperations
from prefect_drs.client.generated.accounts import AccountsOperations
from prefect_drs.client.generated.audit import AuditOperations
from prefect_drs.client.generated.capacity import CapacityOperations
from prefect_drs.client.generated.configuration import ConfigurationOperations
from prefect_drs.client.generated.deletion import DeletionOperations
from prefect_drs.client.generated.ec2 import Ec2Operations
from prefect_drs.client.generated.evidence import EvidenceOperations
from prefect_drs.client.generated.executions import ExecutionsOperations
from prefect_drs.client.generated.extended_servers import ExtendedServersOperations
from prefect_drs.client.generated.failback import FailbackOperations
from prefect_drs.client.generated.gates import GatesOperations
from prefect_drs.client.generated.groups import GroupsOperations
from prefect_drs.client.generated.launch_configs import LaunchConfigsOperations
from prefect_drs.client.generated.launch_sync import LaunchSyncOperations
from prefect_drs.client.generated.manifests import ManifestsOperations
from prefect_drs.client.generated.permissions import PermissionsOperations
from prefect_drs.client.generated.plans import PlansOperations
from prefect_drs.client.generated.recovery_instances import RecoveryInstancesOperations
from prefect_drs.client.generated.reports import ReportsOperations
from prefect_drs.client.generated.scheduled import ScheduledOperations
from prefect_drs.client.generated.source_servers import SourceServersOperations
from prefect_drs.client.generated.staging import StagingOperations
from prefect_drs.client.generated.start import StartOperations


class Operations(
    AccessPolicyOperations,
    AccountsOperations,
    AuditOperations,
    CapacityOperations,
    ConfigurationOperations,
    DeletionOperations,
    Ec2Operations,
    EvidenceOperations,
    ExecutionsOperations,
    ExtendedServersOperations,
    FailbackOperations,
    GatesOperations,
    GroupsOperations,
    LaunchConfigsOperations,
    LaunchSyncOperations,
    ManifestsOperations,
    PermissionsOperations,
    PlansOperations,
    RecoveryInstancesOperations,
    ReportsOperations,
    ScheduledOperations,
    SourceServersOperations,
    StagingOperations,
    StartOperations,
):
    """A method for each operation: a file for each module of `prefect_drs.operations`."""
