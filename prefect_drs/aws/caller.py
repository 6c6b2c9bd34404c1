"""Who calls AWS, by AWS's own word: `GetCallerIdentity`, with the date of the answer.

In: `Sessions`. Out: a value, or an `AwsError`. No policy can deny the call.
"""

from __future__ import annotations

from typing import NamedTuple

from prefect_drs.aws.assume_role import caller_session
from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.sessions import Sessions

FALLBACK_REGION = "us-east-1"  # whose STS also answers the requests that name no region


class CallerAnswer(NamedTuple):
    """An answer of STS.

    Args:
        account_id: the caller's account.
        arn: the caller.
        region: of the STS that answered.
        endpoint_url: its address.
        date: the `Date` header; None where there is none.
    """

    account_id: str
    arn: str
    region: str
    endpoint_url: str
    date: str | None


def default_region() -> str:
    """The region of the AWS configuration; us-east-1 where it names none.

    Raises:
        AwsError: the configuration cannot be read, such as a profile that does not exist.
    """
    with aws_call("reading the AWS configuration", None, "default"):
        return str(caller_session().region_name or FALLBACK_REGION)


def ask_caller(sessions: Sessions) -> CallerAnswer:
    """Ask the STS of the default region who calls; asked again each time.

    Raises:
        AwsError: there are no credentials, AWS does not accept them, or STS could not be reached.
    """
    region = default_region()
    with aws_call("GetCallerIdentity", None, region):
        client = sessions.client("sts", region=region)
        answer = client.get_caller_identity()
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return CallerAnswer(answer["Account"], answer["Arn"], region, client.meta.endpoint_url, headers.get("date"))
