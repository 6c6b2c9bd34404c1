"""Launch configurations: the DRS part of a server's launch settings.

The other part is an EC2 launch template, which DRS creates with the source server (`GetLaunchConfiguration` names it)
and whose versions its owner manages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .exceptions import ValidationException
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
    """

    _of: Callable[[str], LaunchConfiguration]

    def get_launch_configuration(self, params: Params) -> Wire:
        """GetLaunchConfiguration."""
        return self._of(params["sourceServerID"]).wire()

    def update_launch_configuration(self, params: Params) -> Wire:
        """UpdateLaunchConfiguration: omitted members keep their values."""
        launch = self._of(params["sourceServerID"])
        into = params.get("launchIntoInstanceProperties")
        if into is not None:
            instance_id = into.get("launchIntoEC2InstanceID") or None
            if instance_id and params.get("copyPrivateIp", False):
                raise ValidationException("copyPrivateIp cannot be set where a server launches into an instance.")
            launch.into_instance = instance_id
        launch.settings.update(given(params, LAUNCH_FIELDS))
        if params.get("name") is not None:
            launch.name = params["name"]
        return launch.wire()
