"""The DRS backend in moto: one `DRSBackend` per account and region, in `drs_backends`.

The backend stores the resources by kind and composes one object per resource kind for its operations; each object gets
only the dependencies that it needs. An operation is a method with its name in snake case that takes the parsed input
and returns the output, both with the model's member names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.utils import camelcase_to_underscores
from moto.ec2.models import ec2_backends

from . import environment
from .configuration_templates import (
    ConfigurationTemplate,
    LaunchConfigurationTemplates,
    ReplicationConfigurationTemplates,
)
from .data_replication import DataReplication
from .enrolment import Enrolment, NewSourceServer
from .exceptions import UninitializedAccountException
from .failback import FailbackOperations
from .job_operations import JobOperations
from .job_runs import JobRuns
from .jobs import Job, JobRegister
from .launch_actions import LaunchActions
from .launch_configurations import LaunchConfigurations
from .launching import conflicts
from .recovery_instances import RecoveryInstance, RecoveryInstances
from .recovery_plan_executions import RecoveryPlanExecutions
from .recovery_plans import DrsRecoveryPlan, RecoveryPlanExecution, RecoveryPlans
from .replication_configurations import ReplicationConfigurations
from .scope import Scope
from .service_resources import ServiceResources
from .service_roles import ensure_service_roles
from .source_networks import SourceNetwork, SourceNetworks
from .source_servers import SourceServer, SourceServers
from .staging import StagingAccounts
from .store import BusyServers, Store
from .tagging import Tagged, Tagging
from .validation import service_model
from .wire import Params, Wire

WITHOUT_INITIALIZATION = frozenset({"InitializeService", "TagResource", "UntagResource", "ListTagsForResource"})
"""Operations whose errors in the model hold no UninitializedAccountException."""
_METHODS = {name: camelcase_to_underscores(name) for name in service_model().operation_names}
_STORED = (
    "initialized", "trusted_accounts", "tokens", "servers", "jobs", "busy_servers", "recovery_instances",
    "launch_templates", "replication_templates", "networks", "launch_actions", "plans", "executions",
)  # fmt: skip
"""What is stored of a backend, beside its events."""


class DRSBackend(BaseBackend):
    """DRS in one account and region.

    Attributes:
        initialized: whether InitializeService was called.
        trusted_accounts: the accounts that may read this one as a staging account; None: all may.
        servers, jobs, recovery_instances, …: the resources of each kind, by id or ARN.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.initialized = False
        self.trusted_accounts: set[str] | None = None
        self.tokens: dict[tuple[str, str], str] = {}
        self.scope = Scope(account_id, region_name, self.partition)
        self.servers = Store[SourceServer]("SourceServer")
        self.jobs = Store[Job]("Job")
        self.busy_servers = BusyServers()
        self.recovery_instances = Store[RecoveryInstance]("RecoveryInstance")
        self.launch_templates = Store[ConfigurationTemplate]("LaunchConfigurationTemplate")
        self.replication_templates = Store[ConfigurationTemplate]("ReplicationConfigurationTemplate")
        self.networks = Store[SourceNetwork]("SourceNetwork")
        self.launch_actions: dict[str, dict[str, Wire]] = {}
        self.plans = Store[DrsRecoveryPlan]("RecoveryPlan")
        self.executions = Store[RecoveryPlanExecution]("RecoveryPlanExecution")
        self.resources = ServiceResources(self.scope, self.servers, self.jobs, self.busy_servers)

        self.replication = DataReplication(self.scope, self.servers, self.busy_servers)
        self.enrolment = Enrolment(
            self.scope, self.servers, self.launch_templates, self.replication_templates, self.replication
        )
        self.staging = StagingAccounts(self.scope, self.servers, self.enrolment, self._sibling)
        operations = [self, self.replication, self.staging, *self._configuration(), *self._recovery()]
        self._operations: dict[str, Callable[[Params], Wire]] = {
            name: getattr(owner, method)
            for name, method in _METHODS.items()
            for owner in operations
            if hasattr(owner, method)
        }

    def _configuration(self) -> list[object]:
        """The operations on source servers, their replication and launch settings, and on tags."""
        tagged: list[Mapping[str, Tagged]] = [
            self.servers, self.jobs, self.recovery_instances, self.launch_templates, self.replication_templates,
            self.networks, self.plans, self.executions,
        ]  # fmt: skip
        return [
            SourceServers(self.scope, self.servers, self.busy_servers),
            LaunchConfigurations(
                lambda server_id: self.servers.one(server_id).launch,
                lambda server_id, instance_id: conflicts(
                    ec2_backends[self.account_id][self.region_name], instance_id, self.servers.one(server_id)
                ),
            ),
            LaunchConfigurationTemplates(self.scope, self.launch_templates),
            ReplicationConfigurations(self.servers),
            ReplicationConfigurationTemplates(self.scope, self.replication_templates, self.servers),
            Tagging(tagged),
        ]

    def _recovery(self) -> list[object]:
        """The operations that start jobs, and those on recovery instances and jobs."""
        scope, servers, busy = self.scope, self.servers, self.busy_servers
        register = JobRegister(scope, self.jobs, busy)
        instances = RecoveryInstances(scope, self.recovery_instances, servers, busy, self._sibling)
        runs = JobRuns(scope, register, servers, instances)
        jobs = JobOperations(scope, self.jobs, servers, self.recovery_instances, instances, busy, register, runs)
        self.failback = FailbackOperations(
            scope, servers, self.recovery_instances, instances, busy, register, runs, self._sibling
        )
        plans = RecoveryPlans(scope, self.plans, self.executions, servers, self.tokens)
        return [
            instances,
            jobs,
            self.failback,
            LaunchActions(scope, self.launch_actions, servers, self.launch_templates, self.jobs, runs),
            SourceNetworks(scope, self.networks, self.launch_templates, register, runs),
            plans,
            RecoveryPlanExecutions(scope, self.executions, self.plans, plans, self.tokens, jobs, runs),
        ]

    def _sibling(self, account_id: str, region: str) -> DRSBackend:
        """DRS of another account or region, advanced to the present; see `siblings`."""
        found: DRSBackend = drs_backends[account_id][region]
        if found is not self:
            found.advance()
        return found

    def call(self, operation: str, params: Params) -> Wire:
        """Call an operation by its name in the model, with the model's input.

        Raises:
            DRSError: one of the operation's errors in the model.
        """
        has_to_be = environment.current().needs_initialization and operation not in WITHOUT_INITIALIZATION
        if has_to_be and not self.initialized:
            raise UninitializedAccountException()
        self.advance()
        return self._operations[operation](params)

    def initialize_service(self, params: Params | None = None) -> Wire:
        """InitializeService: creates the service's roles and instance profiles; idempotent."""
        ensure_service_roles(self.account_id, self.partition)
        self.initialized = True
        return {}

    # For test set-up: actions that no DRS operation offers.

    def seed_source_server(self, **server: Any) -> SourceServer:
        """Add a source server without an agent; the arguments are those of `NewSourceServer`."""
        return self.enrolment.enrol(NewSourceServer(**server))

    def stall_replication(self, server: SourceServer, error: str = "AGENT_NOT_SEEN") -> None:
        """Stall the replication of a source server."""
        self.replication.stall(server, error)

    def resume_replication(self, server: SourceServer) -> None:
        """Resume the replication of a stalled source server."""
        self.replication.resume(server)

    def pair_failback_client(self, instance_id: str) -> None:
        """Do what the failback client does on a machine outside AWS."""
        self.failback.pair_client(instance_id)

    def advance(self) -> None:
        """Process all events that are due."""
        self.scope.advance()
        self.replication.tell_points_in_time()

    def show_in_ec2(self, *, snapshots: bool = False) -> None:
        """Bring DRS's own servers, and with `snapshots` its EBS snapshots, in EC2 up to the present."""
        self.resources.show_instances()
        if snapshots:
            self.resources.show_snapshots()

    def next_event_at(self) -> datetime | None:
        """Time of the next event; None if no event is scheduled."""
        return self.scope.events[0][0] if self.scope.events else None

    # State files contain the resources and the events, in the form of 0.1.0; everything else is rebuilt.

    def __getstate__(self) -> dict[str, Any]:
        stored = {name: getattr(self, name) for name in _STORED}
        return {
            "region_name": self.region_name,
            "account_id": self.account_id,
            **{name: dict(value) if isinstance(value, dict) else value for name, value in stored.items()},
            "_events": self.scope.events,
            "_event_count": self.scope.events_issued,
            "_counts": self.scope.counts,
            "_shown": (self.resources.shown, self.resources.ended, self.resources.snapshots),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        DRSBackend.__init__(self, state["region_name"], state["account_id"])
        for name in _STORED:
            current = getattr(self, name)
            if isinstance(current, dict):
                current.update(state[name])
            else:
                setattr(self, name, state[name])
        self.scope.events = state["_events"]
        self.scope.events_issued = state["_event_count"]
        self.scope.counts = state["_counts"]
        if "_shown" in state:  # a state file of a former release has none
            self.resources.shown, self.resources.ended, self.resources.snapshots = state["_shown"]


drs_backends: BackendDict[DRSBackend] = BackendDict(DRSBackend, "drs")
