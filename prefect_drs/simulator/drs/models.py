"""The backend of DRS in moto: one `DRSBackend` an account and region, kept in `drs_backends`.

The class is a chain of parts, each in a file of its own and each building on the one before:

    core -> launch_configurations -> source_servers -> enrolment -> recovery_instances -> job_runs -> job_operations
         -> failback -> staging -> launch_actions -> source_networks -> recovery_plans -> recovery_plan_executions

and `tagging` beside it. An operation is a method of its name in snake case that takes the parsed input and gives the
output, both in the model's own member names.
"""

from __future__ import annotations

from moto.core.base_backend import BackendDict

from .core import DIRECTORY, Params, Wire
from .recovery_plan_executions import RecoveryPlanExecutionsBackend
from .tagging import TaggingBackend


class DRSBackend(RecoveryPlanExecutionsBackend, TaggingBackend):
    """DRS in one account and region."""

    def initialize_service(self, params: Params | None = None) -> Wire:
        """InitializeService: makes the service's roles; calling it again changes nothing."""
        self.initialized = True
        return {}


drs_backends: BackendDict[DRSBackend] = BackendDict(DRSBackend, "drs")
DIRECTORY["backends"] = drs_backends
