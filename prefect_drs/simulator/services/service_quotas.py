"""EC2's vCPU quotas for running On-Demand instances in Service Quotas, of which moto only has VPC's.

In: GetServiceQuota, ListServiceQuotas, ListAWSDefaultServiceQuotas of service `ec2`. Out: AWS's responses. An account
has `DEFAULT_VCPUS` of each class unless `set_vcpu_quota` changes it; a new AWS account has 5 and 0.

Sources: Service Quotas API reference; EC2 user guide, "Amazon EC2 On-Demand Instance quotas".
"""

from __future__ import annotations

import json
from typing import Any

from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.models import servicequotas_backends
from moto.servicequotas.responses import ServiceQuotasResponse

DEFAULT_VCPUS = 20_000.0
"""Of each class: as many as 4,000 servers of four vCPUs want, and some."""
_CLASSES = {
    "L-1216C47A": "Standard (A, C, D, H, I, M, R, T, Z)",
    "L-74FC7D96": "F",
    "L-DB2E81BA": "G and VT",
    "L-417A185B": "P",
    "L-7295265B": "X",
    "L-43DA4232": "High Memory",
    "L-1945791B": "Inf",
    "L-2C3B7624": "Trn",
    "L-6E869C2A": "DL",
    "L-F7808C92": "HPC",
}


def set_vcpu_quota(account_id: str, region: str, code: str, vcpus: float) -> None:
    """Set a quota of an account and region.

    Args:
        account_id: the account.
        region: the region.
        code: the quota's code, such as `L-1216C47A` of the Standard types.
        vcpus: its value.

    Raises:
        KeyError: no quota has this code.
    """
    if code not in _CLASSES:
        raise KeyError(code)
    _values(account_id, region)[code] = vcpus


def _values(account_id: str, region: str) -> dict[str, float]:
    """The changed quotas; stored in moto's backend, so that they are saved, loaded and reset with it."""
    kept: dict[str, float] = vars(servicequotas_backends[account_id][region]).setdefault("vcpu_quotas", {})
    return kept


class SandboxServiceQuotasResponse(ServiceQuotasResponse):
    """Service Quotas including those of EC2."""

    def _quota(self, code: str, value: float) -> dict[str, Any]:
        return {
            "ServiceCode": "ec2",
            "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
            "QuotaArn": f"arn:{self.partition}:servicequotas:{self.region}:{self.current_account}:ec2/{code}",
            "QuotaCode": code,
            "QuotaName": f"Running On-Demand {_CLASSES[code]} instances",
            "Value": value,
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }

    def _quotas(self) -> list[dict[str, Any]]:
        values = _values(self.current_account, self.region)
        return [self._quota(code, values.get(code, DEFAULT_VCPUS)) for code in _CLASSES]

    def get_service_quota(self) -> str:
        """GetServiceQuota."""
        asked = json.loads(self.body)
        if asked.get("ServiceCode") != "ec2":
            return super().get_service_quota()
        found = next((quota for quota in self._quotas() if quota["QuotaCode"] == asked.get("QuotaCode")), None)
        if found is None:
            raise NoSuchResource
        return json.dumps({"Quota": found})

    def list_service_quotas(self) -> str:
        """ListServiceQuotas; all on one page."""
        if json.loads(self.body).get("ServiceCode") != "ec2":
            return self.list_aws_default_service_quotas()
        return json.dumps({"Quotas": self._quotas()})

    def list_aws_default_service_quotas(self) -> str:
        """ListAWSDefaultServiceQuotas; all on one page."""
        if json.loads(self.body).get("ServiceCode") != "ec2":
            return super().list_aws_default_service_quotas()
        return json.dumps({"Quotas": [self._quota(code, DEFAULT_VCPUS) for code in _CLASSES]})
