"""Who is in a runbook is who carries the tags now."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runbook.world import codes, small_world

TAGS = {"tier": "web", "env": "prod"}
worn = st.lists(st.sets(st.sampled_from(sorted(TAGS))), min_size=3, max_size=3)


@settings(max_examples=12, deadline=None)
@given(worn, worn)
def test_a_server_that_joins_or_leaves_a_tag_is_in_the_second_runbook_or_out_of_it(
    before: list[set[str]], after: list[set[str]]
) -> None:
    group = {"serverSelectionTags": TAGS}
    with tempfile.TemporaryDirectory() as directory, small_world(Path(directory)) as world:
        drs = world.client("drs")
        ids = [
            world.server(f"web-{number}", tags={key: TAGS[key] for key in keys}) for number, keys in enumerate(before)
        ]
        first = world.resolve(group)
        arns = {item["sourceServerID"]: item["arn"] for item in drs.describe_source_servers()["items"]}
        for server, keys in zip(ids, after, strict=True):
            drs.untag_resource(resourceArn=arns[server], tagKeys=sorted(TAGS))
            drs.tag_resource(resourceArn=arns[server], tags={key: TAGS[key] for key in keys})
        second = world.resolve(group)
    for runbook, tags in ((first, before), (second, after)):
        expected = {server for server, keys in zip(ids, tags, strict=True) if keys == set(TAGS)}
        assert {server.source_server_id for server in runbook.waves[0].servers} == expected
        assert codes(runbook) == ([] if expected else ["NO_SERVER_MATCHES"])
