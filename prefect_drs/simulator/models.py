"""The backend of DRS in moto: one `DRSBackend` an account and region, kept in `drs_backends`.

The class is a chain of parts, each in a file of its own: launch configurations, source servers, enrolment, recovery
instances, job runs, job operations and tags. An operation is a method of its name in snake case that takes
the parsed input and gives the output, both in the model's own member names.
"""

from __future__ import annotations

from moto.core.base_backend import BackendDict

from .core import Params, Wire
from .job_operations import JobOperationsBackend
from .tagging import TaggingBackend


class DRSBackend(JobOperationsBackend, TaggingBackend):
    """DRS in one account and region."""

    def initialize_service(self, params: Params | None = None) -> Wire:
        """InitializeService: makes the service's roles; calling it again changes nothing."""
        self.initialized = True
        return {}


drs_backends: BackendDict[DRSBackend] = BackendDict(DRSBackend, "drs")
