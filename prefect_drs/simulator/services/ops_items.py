"""OpsItems, which moto's SSM lacks: create, get and describe.

In: CreateOpsItem, GetOpsItem, DescribeOpsItems. Out: AWS's responses. An item is refused if an open item of the same
source has the same `/aws/dedup`, as in OpsCenter. Filters are Equal and Contains, on the fields of an item's summary.
Items are never updated.

Sources: Systems Manager API reference; user guide, "Managing duplicate OpsItems".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.ssm.exceptions import SSMException

from ..drs.exceptions import ValidationException
from ..drs.identifiers import identifier
from ..drs.paging import page
from ..runtime import current
from .automations import AutomationResponse

DEDUP = "/aws/dedup"
LARGEST_PAGE = 50
"""OpsItems a page (`OpsItemMaxResults`)."""
_GIVEN = (
    "Title", "Description", "Source", "Priority", "Severity", "Category", "OperationalData", "Notifications",
    "RelatedOpsItems", "OpsItemType", "ActualStartTime", "ActualEndTime", "PlannedStartTime", "PlannedEndTime",
)  # fmt: skip
_ONLY_IN_FULL = frozenset({"Description", "Notifications", "RelatedOpsItems", "Version", "OpsItemArn"})
_MATCHES: dict[str, Callable[[str, list[str]], bool]] = {
    "Equal": lambda held, values: held in values,
    "Contains": lambda held, values: any(value in held for value in values),
}


class SandboxSSMResponse(AutomationResponse):
    """SSM, with OpsItems."""

    @property
    def _items(self) -> dict[str, dict[str, Any]]:
        """The items; stored in moto's backend, so that they are saved, loaded and reset with it."""
        kept: dict[str, dict[str, Any]] = vars(self.ssm_backend).setdefault("ops_items", {})
        return kept

    def create_ops_item(self) -> ActionResult:
        """CreateOpsItem."""
        given = {name: value for name in _GIVEN if (value := self._get_param(name)) is not None}
        for name in ("Title", "Description", "Source"):
            if not str(given.get(name, "")).strip():
                raise SSMException("OpsItemInvalidParameterException", f"{name} must be given and not be blank.")
        self._refuse_duplicate(given)
        number = len(self._items) + 1
        item_id = identifier("oi-", current().seed, self.current_account, self.region, "ops-item", number)[:15]
        arn = f"arn:{self.partition}:ssm:{self.region}:{self.current_account}:opsitem/{item_id}"
        now = current().now()
        by = f"arn:{self.partition}:iam::{self.current_account}:root"
        self._items[item_id] = {
            "OpsItemType": "/aws/issue",
            **given,
            "OpsItemId": item_id,
            "OpsItemArn": arn,
            "Status": "Open",
            "Version": "1",
            "CreatedBy": by,
            "CreatedTime": now,
            "LastModifiedBy": by,
            "LastModifiedTime": now,
        }
        return ActionResult({"OpsItemId": item_id, "OpsItemArn": arn})

    def _refuse_duplicate(self, given: dict[str, Any]) -> None:
        wanted = (given.get("OperationalData") or {}).get(DEDUP, {}).get("Value")
        for item in self._items.values() if wanted else ():
            held = (item.get("OperationalData") or {}).get(DEDUP, {}).get("Value")
            if held == wanted and item["Source"] == given["Source"]:
                raise SSMException("OpsItemAlreadyExistsException", f"OpsItem {item['OpsItemId']} is open already.")

    def get_ops_item(self) -> ActionResult:
        """GetOpsItem."""
        item_id = str(self._get_param("OpsItemId"))
        if item_id not in self._items:
            raise SSMException("OpsItemNotFoundException", f"OpsItem ID {item_id} not found.")
        return ActionResult({"OpsItem": self._items[item_id]})

    def describe_ops_items(self) -> ActionResult:
        """DescribeOpsItems, newest first, with pagination."""
        filters = self._get_param("OpsItemFilters", [])
        for one in filters:
            if one["Operator"] not in _MATCHES:
                raise SSMException("ValidationException", f"The sandbox has no filter operator {one['Operator']}.")
        found = [
            {name: value for name, value in item.items() if name not in _ONLY_IN_FULL}
            for item in reversed(self._items.values())
            if all(_MATCHES[one["Operator"]](str(item.get(one["Key"], "")), one["Values"]) for one in filters)
        ]
        params = {
            "filters": filters,
            "maxResults": self._get_param("MaxResults"),
            "nextToken": self._get_param("NextToken"),
        }
        try:
            items, more = page("DescribeOpsItems", params, found, default=LARGEST_PAGE)
        except ValidationException as error:
            raise SSMException("ValidationException", str(error.message)) from None
        return ActionResult({"OpsItemSummaries": items, "NextToken": more.get("nextToken")})
