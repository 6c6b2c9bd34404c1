"""Launch configurations: the DRS part of a server's launch settings.

The other part is an EC2 launch template, which DRS creates with the source server (`GetLaunchConfiguration` names it)
and whose versions its owner manages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from moto.core.exceptions import ServiceException

from .exceptions import ValidationException
from .launch_into import ec2_error
from .wire import Params, Wire, dropping_none, given

DEFAULT_LAUNCH: Wire = {
    "launchDisposition": "STARTED",
    "targetInstanceTypeRightSizingMethod": "BASIC",
    "copyPrivateIp": False,
    "copyTags": False,
    "licensing": {"osByol": False},
    "postLaunchEnabled": False,
}
LAUNCH_FIELDS = (*DEFAULT_LAUNCH, "recoveryMode")


@dataclass(slots=True)
class LaunchConfiguration:
    """The DRS part of one server's launch settings."""

    server_id: str
    name: str
    ec2_launch_template_id: str
    settings: Wire
    into_instance: str | None = None

    def wire(self) -> Wire:
        """`LaunchConfiguration`."""
        return dropping_none(
            {
                "sourceServerID": self.server_id,
                "name": self.name,
                "ec2LaunchTemplateID": self.ec2_launch_template_id,
                **self.settings,
                "launchIntoInstanceProperties": (
                    {"launchIntoEC2InstanceID": self.into_instance} if self.into_instance else None
                ),
            }
        )


@dataclass(slots=True)
class LaunchConfigurations:
    """The operations on launch configurations.

    Args:
        of: returns the launch configuration of a source server by id; raises ResourceNotFoundException.
        conflicts: the settings in which an instance (the second argument) does not match a source server (the first);
            raises an error of EC2 where that does not know the instance.
    """

    _of: Callable[[str], LaunchConfiguration]
    _conflicts: Callable[[str, str], list[str]]

    def get_launch_configuration(self, params: Params) -> Wire:
        """GetLaunchConfiguration."""
        return self._of(params["sourceServerID"]).wire()

    def update_launch_configuration(self, params: Params) -> Wire:
        """UpdateLaunchConfiguration: omitted members keep their values."""
        launch = self._of(params["sourceServerID"])
        into = params.get("launchIntoInstanceProperties")
        if into is not None:
            instance_id = into.get("launchIntoEC2InstanceID") or None
            if instance_id:
                self._check_instance(launch.server_id, instance_id, params)
            launch.into_instance = instance_id
        launch.settings.update(given(params, LAUNCH_FIELDS))
        if params.get("name") is not None:
            launch.name = params["name"]
        return launch.wire()

    def _check_instance(self, server_id: str, instance_id: str, params: Params) -> None:
        """Whether the server may be launched into the instance; its tag and state count at the launch only.

        Raises:
            ValidationException: it may not.
        """
        for member in ("copyPrivateIp", "copyTags"):
            if params.get(member, False):
                raise ValidationException(f"{member} cannot be set where a server launches into an instance.")
        try:
            differing = self._conflicts(server_id, instance_id)
        except ServiceException as refusal:
            raise ValidationException(ec2_error(refusal)) from refusal
        if differing:
            raise ValidationException(
                f"You cannot define the EC2 instance {instance_id} as a launch into instance ID as is has conflicting "
                f"instance settings to those of the source server ({server_id}). The following fields have a "
                f"configuration mismatch: {', '.join(differing)}."
            )
