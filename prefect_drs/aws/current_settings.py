"""A server's current launch settings in a plan's words: both halves of its launch state as `LaunchSettings`.

In: a `LaunchState` as read. Out: the settings that a plan's are laid over. Pure; the values are AWS's own and are not
checked.
"""

from __future__ import annotations

from typing import Any

from prefect_drs.aws.launch_configuration import LaunchState
from prefect_drs.aws.launch_template import template_values, with_settings
from prefect_drs.core.errors import UsageError
from prefect_drs.plan.model import LaunchSettings, Licensing
from prefect_drs.plan.prepared import PreparedInstance


def current_settings(state: LaunchState) -> LaunchSettings:
    """The launch settings that a server has while no plan changes them."""
    now = state.configuration
    into = now.launch_into_instance_id or None
    values: dict[str, Any] = {
        "launch_disposition": now.launch_disposition,
        "target_instance_type_right_sizing_method": now.target_instance_type_right_sizing_method,
        "copy_private_ip": now.copy_private_ip,
        "copy_tags": now.copy_tags,
        "licensing": None if now.os_byol is None else Licensing(os_byol=now.os_byol),
        "launch_into_instance": into and PreparedInstance.model_construct(instance_id=into),
        **template_values(state.template_data),
    }
    return LaunchSettings.model_construct(**values)


def why_unwritable(state: LaunchState, settings: LaunchSettings) -> str | None:
    """Why `settings` cannot be written into a server's launch template; None where they can."""
    try:
        with_settings(state.template_data, settings)
    except UsageError as refusal:
        return refusal.message
    return None
