"""Which rules are valid, and which tags they copy."""

from __future__ import annotations

import pytest

from prefect_drs.core.errors import UsageError
from prefect_drs.tag_sync import TagRules


def test_every_tag_is_copied_where_nothing_is_set() -> None:
    assert TagRules().target_tags({"b": "2", "a": "1"}) == {"a": "1", "b": "2"}


@pytest.mark.parametrize("key", ["aws:cloudformation:stack-name", "AWS:autoscaling", "aws:"])
def test_tags_of_aws_are_never_copied(key: str) -> None:
    assert TagRules(include=("*", key)).target_tags({key: "1"}) == {}


def test_include_and_exclude_are_patterns_of_keys_and_case_counts() -> None:
    rules = TagRules(include=("App*", "Owner"), exclude=("*-internal",))
    tags = dict.fromkeys(["App", "AppTier", "App-internal", "app", "Owner", "Owners"], "x")
    assert set(rules.target_tags(tags)) == {"App", "AppTier", "Owner"}


def test_a_mapping_copies_a_tag_under_its_other_key_only() -> None:
    rules = TagRules(mappings={"Environment": "DR-Environment"})
    assert rules.target_tags({"Environment": "prod"}) == {"DR-Environment": "prod"}


def test_a_mapping_takes_precedence_over_a_tag_that_already_has_its_other_key() -> None:
    rules = TagRules(mappings={"Environment": "DR-Environment"})
    assert rules.target_tags({"DR-Environment": "old", "Environment": "prod"}) == {"DR-Environment": "prod"}


def test_an_excluded_key_is_not_mapped() -> None:
    rules = TagRules(exclude=("Environment",), mappings={"Environment": "DR-Environment"})
    assert rules.target_tags({"Environment": "prod"}) == {}


def test_managed_keys_are_the_targets_of_mappings_that_copy_and_only_with_removal() -> None:
    mappings = {"Environment": "DR-Environment", "Secret": "DR-Secret"}
    assert TagRules(mappings=mappings).managed_keys() == frozenset()
    assert TagRules(mappings=mappings, exclude=("Secret",), remove=True).managed_keys() == {"DR-Environment"}


def test_all_problems_of_the_rules_are_reported_at_once() -> None:
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
