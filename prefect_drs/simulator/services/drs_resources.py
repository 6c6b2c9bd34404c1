"""The resources of a call to DRS, with their tags, for IAM.

In: the backend of the call, its operation and its input. Out: the ARNs that its permission is evaluated for: those that
its input names, or `*` for a call that names none, as the lists of DRS are. A resource that does not exist has its ARN
and no tags. The tags of a new resource are the call's `aws:RequestTag` and `aws:TagKeys`.

Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS Elastic Disaster Recovery".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..drs.models import DRSBackend
from ..drs.wire import Params

_KINDS = {
    "sourceServerID": ("source-server", "servers"),
    "recoveryInstanceID": ("recovery-instance", "recovery_instances"),
    "jobID": ("job", "jobs"),
    "sourceNetworkID": ("source-network", "networks"),
    "launchConfigurationTemplateID": ("launch-configuration-template", "launch_templates"),
    "replicationConfigurationTemplateID": ("replication-configuration-template", "replication_templates"),
}
_LISTS = {"sourceServers": "sourceServerID", "sourceNetworks": "sourceNetworkID"}
_ID_LISTS = {"recoveryInstanceIDs": "recoveryInstanceID"}
_ARNS = ("resourceArn", "sourceServerArn")
_TAGGED = ("servers", "jobs", "recovery_instances", "launch_templates", "replication_templates", "networks")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call is about.

    Attributes:
        resources: ARN and tags of each resource; the ARN is None where the sandbox does not know it.
        request_tags: the tags that the call gives.
    """

    resources: Sequence[tuple[str | None, Mapping[str, str]]] = ((None, {}),)
    request_tags: Mapping[str, str] = field(default_factory=dict)


UNKNOWN = Asked()
"""A call of another service: its resource is not looked at."""


def asked_of(backend: DRSBackend, params: Params) -> Asked:
    """The resources of a call to DRS."""
    found = list(_resources(backend, params)) or [("*", {})]
    tags = params.get("tags")
    return Asked(found, tags if isinstance(tags, dict) else {})


def _resources(backend: DRSBackend, params: Params) -> Iterator[tuple[str | None, Mapping[str, str]]]:
    for member, value in params.items():
        if member in _KINDS and isinstance(value, str):
            yield _of(backend, member, value)
        elif member in _LISTS and isinstance(value, list):
            ids = [entry.get(_LISTS[member]) for entry in value if isinstance(entry, dict)]
            yield from (_of(backend, _LISTS[member], one) for one in ids if isinstance(one, str))
        elif member in _ID_LISTS and isinstance(value, list):
            yield from (_of(backend, _ID_LISTS[member], one) for one in value if isinstance(one, str))
        elif member in _ARNS and isinstance(value, str):
            stores = [getattr(backend, store) for store in _TAGGED]
            name = value.rpartition("/")[2]
            known: Any = next((store[name] for store in stores if name in store), None)
            yield value, known.tags if known is not None and known.arn == value else {}


def _of(backend: DRSBackend, member: str, name: str) -> tuple[str, Mapping[str, str]]:
    kind, store = _KINDS[member]
    known = getattr(backend, store).get(name)
    return backend.scope.arn(kind, name), known.tags if known is not None else {}
