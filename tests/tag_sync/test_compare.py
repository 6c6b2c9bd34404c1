"""The comparison: its changes are sufficient and necessary, and AWS accepts them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from prefect_drs.tag_sync import TagDifference, TagRules, compare
from prefect_drs.tag_sync.rules import MAX_TAGS, MAX_VALUE_LENGTH

KEYS = st.one_of(
    st.sampled_from(
        ["Name", "Environment", "DR-Environment", "Owner", "aws:cloudformation:stack-id", "AWS:x", "k" * 128]
    ),
    st.text(min_size=1, max_size=6),
)
TAGS = st.dictionaries(KEYS, st.text(max_size=4), max_size=12)
MANY_TAGS = st.dictionaries(st.integers(0, 99).map("k{}".format), st.sampled_from("ab"), max_size=70)
RULES = st.builds(
    TagRules,
    include=st.lists(st.sampled_from(["*", "Own*", "?nvironment", "Name"]), max_size=2).map(tuple),
    exclude=st.lists(st.sampled_from(["Name", "k*", "Owner"]), max_size=2).map(tuple),
    mappings=st.sampled_from([{}, {"Environment": "DR-Environment"}, {"Owner": "Owner", "Name": "Original"}]),
    remove=st.booleans(),
)


def applied(tags: dict[str, str], difference: TagDifference) -> dict[str, str]:
    """What DRS has after the difference was written."""
    after = {key: value for key, value in tags.items() if key not in {change.key for change in difference.removed}}
    return after | {change.key: change.after or "" for change in difference.written}


@given(TAGS | MANY_TAGS, TAGS | MANY_TAGS, RULES)
def test_after_the_changes_nothing_is_left_to_write(
    server: dict[str, str], ec2: dict[str, str], rules: TagRules
) -> None:
    first = compare(server, ec2, rules)
    second = compare(applied(server, first), ec2, rules)
    assert not second.written
    assert not second.removed
    assert {fault.code for fault in second.faults} <= {fault.code for fault in first.faults}


@given(TAGS, TAGS, RULES)
def test_without_faults_the_server_has_every_target_tag(
    server: dict[str, str], ec2: dict[str, str], rules: TagRules
) -> None:
    difference = compare(server, ec2, rules)
    if not difference.faults:
        assert rules.target_tags(ec2).items() <= applied(server, difference).items()


@given(TAGS | MANY_TAGS, TAGS | MANY_TAGS, RULES)
def test_only_what_differs_is_written_and_before_is_what_was_there(
    server: dict[str, str], ec2: dict[str, str], rules: TagRules
) -> None:
    difference = compare(server, ec2, rules)
    for change in (*difference.written, *difference.removed):
        assert change.before == server.get(change.key)
        assert change.before != change.after


@given(TAGS, TAGS, RULES)
def test_tags_of_aws_are_left_alone(server: dict[str, str], ec2: dict[str, str], rules: TagRules) -> None:
    difference = compare(server, ec2, rules)
    touched = {change.key.lower() for change in (*difference.written, *difference.removed)}
    assert not any(key.startswith("aws:") for key in touched)


@given(TAGS, TAGS, RULES)
def test_only_targets_of_mappings_that_the_instance_no_longer_has_are_removed(
    server: dict[str, str], ec2: dict[str, str], rules: TagRules
) -> None:
    removed = {change.key for change in compare(server, ec2, rules).removed}
    assert removed <= set(rules.mappings.values()) & server.keys()
    assert not removed & rules.target_tags(ec2).keys()
    assert rules.remove or not removed


@given(MANY_TAGS, MANY_TAGS)
def test_no_server_gets_more_tags_than_there_may_be(server: dict[str, str], ec2: dict[str, str]) -> None:
    difference = compare(server, ec2, TagRules())
    assert len(applied(server, difference)) <= max(MAX_TAGS, len(server))


def test_beyond_the_limit_no_new_tag_is_written_and_existing_ones_are_updated() -> None:
    server = {f"own-{n}": "" for n in range(49)} | {"Name": "old"}
    difference = compare(server, {"Name": "new", "one": "1", "two": "2"}, TagRules())
    assert [(change.key, change.after) for change in difference.written] == [("Name", "new")]
    (fault,) = difference.faults
    assert fault.code == "TAG_LIMIT_EXCEEDED"
    assert "52 tags" in fault.message
    assert "exclude" in fault.message


def test_tags_of_aws_do_not_count_towards_the_limit() -> None:
    server = {f"own-{n}": "" for n in range(49)} | {"aws:x": "", "aws:y": ""}
    assert not compare(server, {"one": "1"}, TagRules()).faults


def test_removed_tags_make_room() -> None:
    server = {f"own-{n}": "" for n in range(49)} | {"DR-Old": ""}
    difference = compare(server, {"one": "1"}, TagRules(mappings={"Old": "DR-Old"}, remove=True))
    assert not difference.faults
    assert [change.key for change in difference.removed] == ["DR-Old"]
    assert [change.key for change in difference.written] == ["one"]


def test_too_long_a_key_or_value_is_named_and_the_others_are_written() -> None:
    difference = compare({}, {"k" * 129: "", "v": "x" * (MAX_VALUE_LENGTH + 1), "fits": "1"}, TagRules())
    assert [fault.code for fault in difference.faults] == ["TAG_KEY_TOO_LONG", "TAG_VALUE_TOO_LONG"]
    assert [change.key for change in difference.written] == ["fits"]


def test_a_value_that_became_too_long_leaves_the_former_one() -> None:
    rules = TagRules(mappings={"v": "V"}, remove=True)
    difference = compare({"V": "short"}, {"v": "x" * (MAX_VALUE_LENGTH + 1)}, rules)
    assert not difference.removed
    assert not difference.written
