"""The IAM roles and instance profiles that InitializeService creates, one set per account.

In: an account. Out: AWS's roles in moto's IAM, without their policies, and an instance profile for the roles of EC2
instances. Idempotent; never changes a role that exists.

Source: DRS user guide, "Initializing AWS Elastic Disaster Recovery"; `AWSElasticDisasterRecoveryRecoveryInstancePolicy`
("attached as an EC2 instance profile … to DRS recovery instances").
"""

from __future__ import annotations

import json

from moto.iam.models import iam_backends

from .instances import seeded_ec2

PATH = "/service-role/"
_ROLE = "AWSElasticDisasterRecovery{}Role"
_OF_THE_SERVICE = ("Agent", "Failback")
_OF_INSTANCES = ("ConversionServer", "RecoveryInstance", "RecoveryInstanceWithLaunchActions", "ReplicationServer")
RECOVERY_PROFILE = _ROLE.format("RecoveryInstance")
"""The instance profile of recovery instances whose launch template names none."""
LAUNCH_ACTIONS_PROFILE = _ROLE.format("RecoveryInstanceWithLaunchActions")
"""The same with post-launch actions, which need the permissions of the SSM agent."""


def ensure_service_roles(account_id: str, partition: str) -> None:
    """Create the roles and instance profiles that do not exist yet."""
    iam = iam_backends[account_id][partition]
    if RECOVERY_PROFILE in iam.instance_profiles:
        return
    existing = {role.name for role in iam.roles.values()}
    for kind in (*_OF_THE_SERVICE, *_OF_INSTANCES):
        name = _ROLE.format(kind)
        trusted = "drs.amazonaws.com" if kind in _OF_THE_SERVICE else "ec2.amazonaws.com"
        with seeded_ec2("service-role", account_id, name):
            if name not in existing:
                iam.create_role(
                    name, _trust(trusted), PATH, None, "Created by AWS Elastic Disaster Recovery", [], "3600"
                )
            if kind in _OF_INSTANCES and name not in iam.instance_profiles:
                iam.create_instance_profile(name, PATH, [name])


def _trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
