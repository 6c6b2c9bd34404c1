"""What the documentation shows, runs."""

from __future__ import annotations

import re
from pathlib import Path

import boto3
from moto import mock_aws

from prefect_drs.simulator import install
from prefect_drs.simulator.drs.validation import service_model

PAGE = Path(__file__).parents[3] / "docs" / "simulator.md"


def test_the_examples_of_the_page_run() -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), {})


def test_every_operation_that_the_page_names_is_in_the_model() -> None:
    table = PAGE.read_text(encoding="utf-8").split("## The 70 operations")[1].split("## ")[0]
    named = re.findall(r"^\| ([A-Z]\w+)", table, re.MULTILINE)
    assert len(named) >= 8
    assert set(named) <= set(service_model().operation_names)


def test_plain_mock_aws_beside_it_works_as_before() -> None:
    install()
    install()
    with mock_aws():
        role = "arn:aws:iam::222222222222:role/Nobody"
        got = boto3.client("sts", region_name="us-east-1").assume_role(RoleArn=role, RoleSessionName="test")
        assert got["AssumedRoleUser"]["Arn"].startswith("arn:aws:sts::222222222222")
        boto3.client("drs", region_name="us-east-1").initialize_service()
        assert boto3.client("drs", region_name="us-east-1").describe_jobs()["items"] == []
