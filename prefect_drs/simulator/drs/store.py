"""Stores for the resources of an account and region, and the source servers in active jobs."""

from __future__ import annotations

from typing import TypeVar

from .exceptions import ConflictException, ResourceNotFoundException

T = TypeVar("T")


class Store(dict[str, T]):
    """The resources of one kind, by id or ARN, in order of creation.

    Args:
        kind: the resource type that errors name.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def one(self, name: str) -> T:
        """The resource with this id or ARN.

        Raises:
            ResourceNotFoundException: it does not exist.
        """
        if name not in self:
            raise ResourceNotFoundException(self.kind, name)
        return self[name]


class BusyServers(dict[str, str]):
    """Ids of the source servers in active jobs, each with the id of its job."""

    def refuse(self, server_id: str, instance_id: str | None = None) -> None:
        """Refuse an operation on a source server, or on a recovery instance of it, that is in an active job.

        Raises:
            ConflictException: names the job.
        """
        job_id = self.get(server_id)
        if job_id is None:
            return
        if instance_id is None:
            raise ConflictException(
                f"Source server {server_id} takes part in the active job {job_id}.", "SourceServer", server_id
            )
        raise ConflictException(
            f"Recovery instance {instance_id} takes part in the active job {job_id}.", "RecoveryInstance", instance_id
        )
