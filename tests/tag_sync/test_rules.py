"""What a person may set, and which tags it carries over."""

from __future__ import annotations

import pytest

from prefect_drs.core.errors import UsageError
from prefect_drs.tag_sync import TagRules


def test_every_tag_is_carried_over_where_nothing_is_set() -> None:
    assert TagRules().wanted({"b": "2", "a": "1"}) == {"a": "1", "b": "2"}


@pytest.mark.parametrize("key", ["aws:cloudformation:stack-name", "AWS:autoscaling", "aws:"])
def test_tags_of_aws_are_never_carried_over(key: str) -> None:
    assert TagRules(include=("*", key)).wanted({key: "1"}) == {}


def test_include_and_exclude_are_patterns_of_keys_and_case_counts() -> None:
    rules = TagRules(include=("App*", "Owner"), exclude=("*-internal",))
    tags = dict.fromkeys(["App", "AppTier", "App-internal", "app", "Owner", "Owners"], "x")
    assert set(rules.wanted(tags)) == {"App", "AppTier", "Owner"}


def test_a_mapping_carries_a_tag_over_under_its_other_name_only() -> None:
    rules = TagRules(mappings={"Environment": "DR-Environment"})
    assert rules.wanted({"Environment": "prod"}) == {"DR-Environment": "prod"}


def test_a_mapping_wins_over_a_tag_that_has_its_other_name_already() -> None:
    rules = TagRules(mappings={"Environment": "DR-Environment"})
    assert rules.wanted({"DR-Environment": "old", "Environment": "prod"}) == {"DR-Environment": "prod"}


def test_an_excluded_key_is_not_mapped() -> None:
    rules = TagRules(exclude=("Environment",), mappings={"Environment": "DR-Environment"})
    assert rules.wanted({"Environment": "prod"}) == {}


def test_the_syncs_own_keys_are_those_of_mappings_that_carry_and_only_with_removal() -> None:
    mappings = {"Environment": "DR-Environment", "Secret": "DR-Secret"}
    assert TagRules(mappings=mappings).own_keys() == frozenset()
    assert TagRules(mappings=mappings, exclude=("Secret",), remove=True).own_keys() == {"DR-Environment"}


def test_all_that_is_wrong_with_the_rules_is_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        TagRules(
            include=("",),
            mappings={"a": "aws:a", "b": "B", "c": "B", "d": "x" * 129, "": "e"},
        )
    told = caught.value.message
    assert "include has an empty pattern" in told
    assert "'a' → 'aws:a'" in told
    assert "'b' and 'c' are both mapped to 'B'" in told
    assert told.count("1 to 128 characters") == 2
