"""Signed requests of sts:GetCallerIdentity: made here, sent by somebody else, and their answers read.

In: the caller's own credentials, headers to sign, a time. Out: a presigned URL; from an answer of STS, who signed. STS
answers a presigned request to anybody who sends it, and signed headers cannot be changed afterwards: that is how EKS
(`x-k8s-aws-id`) and Vault (`X-Vault-AWS-IAM-Server-ID`) prove identities, and so do we. botocore signs and reads; this
module must never send a presigned URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import boto3
import botocore.session
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.parsers import ResponseParserError, create_parser

from prefect_drs.aws.assume_role import caller_session
from prefect_drs.aws.errors import aws_call
from prefect_drs.aws.regions import partition_of

GLOBAL_REGION = "us-east-1"
TIMESTAMP = "%Y%m%dT%H%M%SZ"  # X-Amz-Date, "Signature Version 4 signing process"
AwsSession = boto3.Session
"""For rooms that hand a session on and do not use boto3 themselves."""
QUERY = "Action=GetCallerIdentity&Version=2011-06-15"


class StsAnswer(NamedTuple):
    """An answer of STS to GetCallerIdentity: who signed; or the error, with AWS's code.

    Args:
        arn: the caller's ARN; empty where STS refused.
        account_id: its account.
        user_id: its unique id; of an assumed role `ROLEID:SESSION`.
        error: AWS's error code, such as `SignatureDoesNotMatch`; empty where STS accepted.
    """

    arn: str = ""
    account_id: str = ""
    user_id: str = ""
    error: str = ""


class StsPlace(NamedTuple):
    """The STS that the caller's configuration leads to: the origin of its endpoint, and its region."""

    endpoint: str
    region: str


class _SignedAt(SigV4QueryAuth):
    """botocore's signer of URLs, with the time given instead of now."""

    def __init__(self, credentials: ReadOnlyCredentials, region: str, seconds: int, at: datetime) -> None:
        super().__init__(credentials, "sts", region, expires=seconds)
        self._at = at

    def add_auth(self, request: AWSRequest) -> None:
        """As botocore's, which takes the time from the machine."""
        signer: Any = self  # its stubs lack the two steps that it shares with its subclasses
        request.context["timestamp"] = self._at.astimezone(UTC).strftime(TIMESTAMP)
        signer._modify_request_before_signing(request)
        text = self.string_to_sign(request, self.canonical_request(request))
        signer._inject_signature_to_request(request, self.signature(text, request))


def sts_place(session: boto3.Session | None = None) -> StsPlace:
    """The STS of the caller's configuration: the region's own, or that of `AWS_ENDPOINT_URL(_STS)`.

    Raises:
        AwsError: the AWS configuration cannot be read.
    """
    with aws_call("reading the AWS configuration", None, "default"):
        chosen = session or caller_session()
        region = chosen.region_name or GLOBAL_REGION
        create: Any = chosen.client
        return StsPlace(str(create("sts", region_name=region).meta.endpoint_url).rstrip("/"), region)


@cache
def sts_endpoints(partition: str = "aws") -> frozenset[str]:
    """The origins of STS in all regions of a partition, as botocore knows them, the global one included."""
    session = botocore.session.Session()
    data = next(part for part in session.get_data("endpoints")["partitions"] if part["partition"] == partition)
    special = data["services"]["sts"]["endpoints"]
    regions = session.get_available_regions("sts", partition_name=partition, allow_non_regional=True)
    hosts = (special.get(name, {}).get("hostname", f"sts.{name}.{data['dnsSuffix']}") for name in regions)
    return frozenset(f"https://{host}" for host in hosts)


def trusted_sts_endpoints(session: boto3.Session | None = None) -> frozenset[str]:
    """The endpoints that this process believes: all of its partition, or only the one that its configuration names.

    Raises:
        AwsError: the AWS configuration cannot be read.
    """
    place = sts_place(session)
    public = sts_endpoints(partition_of(place.region))
    return public if place.endpoint in public else frozenset({place.endpoint})


def sign_identity_request(
    headers: Mapping[str, str], *, at: datetime, seconds: int, session: boto3.Session | None = None
) -> str:
    """A presigned URL of GetCallerIdentity with these headers signed, made with the caller's own credentials.

    Args:
        headers: names and values that whoever sends the URL must send too.
        at: the time of the signature.
        seconds: how long it may be used.
        session: the caller's boto3 session; None is boto3's default chain.

    Raises:
        AwsError: there are no credentials.
    """
    chosen = session or caller_session()
    place = sts_place(chosen)
    with aws_call("GetCallerIdentity", None, place.region):
        credentials = chosen.get_credentials()
        if credentials is None:
            chosen.client("sts", region_name=place.region).get_caller_identity()  # raises botocore's own error
        request = AWSRequest("GET", f"{place.endpoint}/?{QUERY}", headers=dict(headers))
        _SignedAt(credentials.get_frozen_credentials(), place.region, seconds, at).add_auth(request)  # type: ignore[union-attr]
        return str(request.url)


@cache
def _identity_shape() -> Any:
    model = botocore.session.Session().get_service_model("sts")
    return model.operation_model("GetCallerIdentity").output_shape


def read_sts_answer(status: int, body: bytes) -> StsAnswer | None:
    """What STS answered; None where it is no answer of STS."""
    try:
        parsed = create_parser("query").parse({"status_code": status, "headers": {}, "body": body}, _identity_shape())
        if status != 200:
            code = parsed.get("Error", {}).get("Code")
            return StsAnswer(error=str(code)) if code else None
        return StsAnswer(str(parsed["Arn"]), str(parsed["Account"]), str(parsed["UserId"]))
    except (ResponseParserError, KeyError, AttributeError, TypeError):
        return None
