"""Each effective setting is the one that is launched with, and its origin is where it was said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.aws.current_settings import current_settings
from prefect_drs.aws.launch_configuration import LaunchConfiguration, LaunchState
from prefect_drs.aws.launch_template import with_settings
from prefect_drs.plan.effective import Origin, effective, settings_of
from prefect_drs.plan.model import LaunchSettings, Licensing, ProtectionGroup, ServerEntry

SERVER = "s-00000000000000001"
texts = st.sampled_from(["a", "b", "c"])
flags = st.none() | st.booleans()


def settings(address: st.SearchStrategy[str | None]) -> st.SearchStrategy[LaunchSettings]:
    return st.builds(
        LaunchSettings,
        launch_disposition=st.none() | st.sampled_from(["STARTED", "STOPPED"]),
        target_instance_type_right_sizing_method=st.none() | st.sampled_from(["NONE", "BASIC"]),
        copy_private_ip=flags,
        licensing=st.none() | st.builds(Licensing, os_byol=flags),
        subnet_id=st.none() | texts,
        security_group_ids=st.none() | st.lists(texts, min_size=1, unique=True).map(tuple),
        static_private_ip=address,
        instance_type=st.none() | texts,
        instance_profile_name=st.none() | texts,
        monitoring=flags,
        tags=st.none() | st.dictionaries(texts, texts),
    )


defaults = settings(st.none())
own = settings(st.none() | st.sampled_from(["10.0.0.10", "10.0.0.11"]))


def group_of(group: LaunchSettings, server: LaunchSettings, *, uses_defaults: bool = False) -> ProtectionGroup:
    entry = ServerEntry(source_server_id=SERVER, launch_template=server, use_group_defaults=uses_defaults)
    return ProtectionGroup(
        group_name="g", region="us-west-2", source_server_ids=(SERVER,), launch_config=group, servers=(entry,)
    )


@given(defaults, own, own)
def test_it_is_what_the_account_holds_once_the_plans_settings_are_written(
    group: LaunchSettings, server: LaunchSettings, held: LaunchSettings
) -> None:
    before = _state(held)
    planned = group_of(group, server).settings_for(SERVER)
    expected = current_settings(_state(planned, before))
    found = settings_of(effective(group_of(group, server), SERVER, account=current_settings(before)))
    for name in LaunchSettings.model_fields:
        assert getattr(found, name) == getattr(expected, name), name


@given(defaults, own, own, st.booleans())
def test_an_origin_is_where_the_value_was_said(
    group: LaunchSettings, server: LaunchSettings, held: LaunchSettings, uses_defaults: bool
) -> None:
    values = effective(group_of(group, server, uses_defaults=uses_defaults), SERVER, account=held)
    said = {Origin.ACCOUNT: held, Origin.GROUP: group, Origin.SERVER: server}
    for word, found in values.items():
        if found.origin is Origin.RULE:
            assert (word, found.value) in {
                ("copyPrivateIp", False),
                ("targetInstanceTypeRightSizingMethod", "NONE"),
                ("staticPrivateIp", None),
            }
        else:
            alone = effective(group_of(LaunchSettings(), LaunchSettings()), SERVER, account=said[found.origin])
            assert alone[word].value == found.value
    if uses_defaults:
        assert Origin.SERVER not in {found.origin for found in values.values()}


def test_a_value_that_a_rule_brings_along_says_so() -> None:
    held = LaunchSettings(
        copy_private_ip=True,
        target_instance_type_right_sizing_method="BASIC",
        subnet_id="subnet-old",
        static_private_ip="10.0.0.9",
    )
    group = LaunchSettings(subnet_id="subnet-new", tags={"tier": "web"})
    server = LaunchSettings(instance_type="m6i.large", tags={"tier": "db"})
    moved = effective(group_of(group, server), SERVER, account=held)
    assert {word: (found.value, found.origin.value) for word, found in moved.items()} == {
        "copyPrivateIp": (True, "account"),
        "instanceType": ("m6i.large", "server"),
        "staticPrivateIp": (None, "rule"),
        "subnetId": ("subnet-new", "group"),
        "tags.tier": ("db", "server"),
        "targetInstanceTypeRightSizingMethod": ("NONE", "rule"),
    }
    given = LaunchSettings(static_private_ip="10.0.0.10")
    assert effective(group_of(group, given), SERVER, account=held)["copyPrivateIp"].origin is Origin.RULE


def _state(settings: LaunchSettings, before: LaunchState | None = None) -> LaunchState:
    """The launch state once these settings were written over another."""
    now = before.configuration if before else LaunchConfiguration()
    sized, copied = settings.target_instance_type_right_sizing_method, settings.copy_private_ip
    sized = "NONE" if before and settings.instance_type else sized
    copied = False if before and settings.static_private_ip else copied
    byol = settings.licensing.os_byol if settings.licensing else None
    return LaunchState(
        source_server_id=SERVER,
        configuration=LaunchConfiguration(
            launch_disposition=settings.launch_disposition or now.launch_disposition,
            target_instance_type_right_sizing_method=sized or now.target_instance_type_right_sizing_method,
            copy_private_ip=now.copy_private_ip if copied is None else copied,
            os_byol=now.os_byol if byol is None else byol,
        ),
        template_id="lt-1",
        default_version=1,
        template_data=with_settings(before.template_data if before else {}, settings),
    )
