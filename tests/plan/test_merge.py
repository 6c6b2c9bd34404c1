"""Launch settings merge key by key: the server's win, tags are merged, a static address excludes copyPrivateIp."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.plan.model import LaunchSettings, Licensing, ProtectionGroup, ServerEntry

texts = st.sampled_from(["a", "b", "c"])
flags = st.none() | st.booleans()
settings = st.builds(
    LaunchSettings,
    launch_disposition=st.none() | st.sampled_from(["STARTED", "STOPPED"]),
    copy_private_ip=flags,
    copy_tags=flags,
    licensing=st.none() | st.builds(Licensing, os_byol=flags),
    subnet_id=st.none() | texts,
    security_group_ids=st.none() | st.lists(texts).map(tuple),
    static_private_ip=st.none() | st.just("10.0.0.10"),
    monitoring=flags,
    tags=st.none() | st.dictionaries(texts, texts),
)
MERGED_OTHERWISE = {"tags", "copy_private_ip"}


@given(settings, settings)
def test_each_key_is_the_overrides_where_it_has_one(group: LaunchSettings, server: LaunchSettings) -> None:
    merged = group.merged_with(server)
    for name in set(LaunchSettings.model_fields) - MERGED_OTHERWISE:
        above = getattr(server, name)
        assert getattr(merged, name) == (getattr(group, name) if above is None else above)


@given(settings, settings)
def test_tags_are_merged_and_the_servers_win(group: LaunchSettings, server: LaunchSettings) -> None:
    merged = group.merged_with(server).tags
    if group.tags is None and server.tags is None:
        assert merged is None
    else:
        assert merged == {**(group.tags or {}), **(server.tags or {})}


@given(settings, settings)
def test_a_static_address_and_a_copied_one_never_meet(group: LaunchSettings, server: LaunchSettings) -> None:
    merged = group.merged_with(server)
    if merged.static_private_ip is not None:
        assert merged.copy_private_ip is False
    else:
        expected = group.copy_private_ip if server.copy_private_ip is None else server.copy_private_ip
        assert merged.copy_private_ip == expected


@given(settings, settings, settings)
def test_merging_in_two_steps_is_merging_in_one(a: LaunchSettings, b: LaunchSettings, c: LaunchSettings) -> None:
    assert a.merged_with(b).merged_with(c) == a.merged_with(b.merged_with(c))


@given(settings)
def test_nothing_on_top_changes_nothing_but_the_copied_address(group: LaunchSettings) -> None:
    copied = False if group.static_private_ip is not None else group.copy_private_ip
    assert group.merged_with(LaunchSettings()) == group.model_copy(update={"copy_private_ip": copied})


def test_a_server_that_uses_its_groups_defaults_has_them() -> None:
    group = ProtectionGroup(
        group_name="g",
        region="us-east-1",
        launch_config=LaunchSettings(subnet_id="net"),
        servers=(
            ServerEntry(name="a", launch_template=LaunchSettings(subnet_id="own")),
            ServerEntry(name="b", use_group_defaults=True, launch_template=LaunchSettings(subnet_id="own")),
        ),
    )
    assert group.settings_for("s-1", "a").subnet_id == "own"
    assert group.settings_for("b").subnet_id == "net"
    assert group.settings_for("c").subnet_id == "net"
