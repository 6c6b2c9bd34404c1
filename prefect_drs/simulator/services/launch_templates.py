"""EC2's launch templates where moto is short of AWS: pages, the source of a new version, and versions that go.

In: the calls of launch templates, before moto's own answers. Out: AWS's. moto numbers versions by their place in a
list; a template from which versions were deleted goes by its numbers from then on, and never gives one out again.

Sources: EC2 API reference, DescribeLaunchTemplateVersions, DescribeLaunchTemplates, CreateLaunchTemplateVersion and
DeleteLaunchTemplateVersions. It says of a default version that it cannot be deleted, not with which code: here
`unexpectedError`, as for all that has no code of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError, InvalidLaunchTemplateVersionNotFound, InvalidParameterValue
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateVersion
from moto.ec2.responses import EC2Response

from ..drs.exceptions import ValidationException
from ..drs.paging import page

LARGEST_PAGE = 200
"""Templates or versions a page (MaxResults: "between 1 and 200"), and versions a DeleteLaunchTemplateVersions."""

T = TypeVar("T")


class NumberedLaunchTemplate(LaunchTemplate):
    """A launch template whose versions go by their numbers, with gaps where some were deleted."""

    issued: int
    """The highest number ever given out."""

    @classmethod
    def adopt(cls, template: LaunchTemplate) -> NumberedLaunchTemplate:
        """Let a template of moto's be one of these from now on."""
        adopted: Any = template
        if not isinstance(template, cls):
            adopted.issued = template.latest_version_number
            adopted.__class__ = cls
        return cast("NumberedLaunchTemplate", adopted)

    def create_version(self, data: dict[str, Any], description: str) -> LaunchTemplateVersion:
        """The next version; its number is a new one."""
        self.issued += 1
        version = LaunchTemplateVersion(self, self.issued, data, description)
        self.versions.append(version)
        return version

    def get_version(self, num: Any) -> LaunchTemplateVersion:
        """The version of a number, `$Latest` or `$Default`.

        Raises:
            InvalidLaunchTemplateVersionNotFound: there is none, or none any more.
        """
        if str(num).lower() == "$latest":
            return self.versions[-1]
        if str(num).lower() == "$default":
            return self.default_version()
        return self._numbered(num)

    def default_version(self) -> LaunchTemplateVersion:
        """The version that is launched from where none is named."""
        return self._numbered(self.default_version_number)

    def _numbered(self, number: Any) -> LaunchTemplateVersion:
        for version in self.versions:
            if str(version.number) == str(number):
                return version
        raise InvalidLaunchTemplateVersionNotFound(version=number, template_id=self.id)

    def delete_version(self, number: str) -> tuple[str, str] | None:
        """Delete a version; None, or why it could not be: a `LaunchTemplateErrorCode` and a message."""
        if str(self.default_version_number) == number:
            return "unexpectedError", f"Version {number} is the default version of {self.id}: make another the default."
        try:
            self.versions.remove(self._numbered(number))
        except InvalidLaunchTemplateVersionNotFound as missing:
            return "launchTemplateVersionDoesNotExist", str(missing.message)
        return None


class SandboxEC2Response(EC2Response):
    """EC2, with launch templates as AWS has them, and the default key for EBS."""

    def get_ebs_default_kms_key_id(self) -> ActionResult:
        """GetEbsDefaultKmsKeyId: AWS's own key unless ModifyEbsDefaultKmsKeyId named another."""
        self.error_on_dryrun()
        return ActionResult({"KmsKeyId": self.ec2_backend.default_kms_key_id or "alias/aws/ebs"})

    def describe_launch_templates(self) -> ActionResult:
        """DescribeLaunchTemplates, a page at a time."""
        names, ids = self._get_param("LaunchTemplateNames", []), self._get_param("LaunchTemplateIds", [])
        filters = self._filters_from_querystring()
        self.error_on_dryrun()
        found = self.ec2_backend.describe_launch_templates(template_names=names, template_ids=ids, filters=filters)
        return self._page("LaunchTemplates", {"names": names, "ids": ids, "filters": filters}, found, self._template)

    def describe_launch_template_versions(self) -> ActionResult:
        """DescribeLaunchTemplateVersions of one template, or of all ($Latest, $Default), a page at a time."""
        query = {
            "template_name": self._get_param("LaunchTemplateName"),
            "template_id": self._get_param("LaunchTemplateId"),
            "versions": self._get_param("Versions", []),
        }
        lowest, highest = self._get_int_param("MinVersion"), self._get_int_param("MaxVersion")
        self.error_on_dryrun()
        told = self.ec2_backend.describe_launch_template_versions(
            **query, min_version=None, max_version=None, max_results=None
        )
        found = {
            (template.id, version.number): version
            for template, version in told
            if (lowest or 0) <= version.number <= (highest or version.number)
        }
        bounds = {"lowest": lowest, "highest": highest}
        return self._page("LaunchTemplateVersions", {**query, **bounds}, list(found.values()), self._version)

    def create_launch_template_version(self) -> ActionResult:
        """CreateLaunchTemplateVersion: what is not given is the source version's."""
        template = self._named_template()
        source = self._get_param("SourceVersion")
        data = self._get_param("LaunchTemplateData", {})
        self.error_on_dryrun()
        inherited = template.get_version(source).data if source else {}
        version = template.create_version({**inherited, **data}, self._get_param("VersionDescription"))
        return ActionResult({"LaunchTemplateVersion": self._version(version)})

    def delete_launch_template_versions(self) -> ActionResult:
        """DeleteLaunchTemplateVersions: up to 200, each deleted or told why not; never the default."""
        numbers = self._get_param("Versions", [])
        if len(numbers) > LARGEST_PAGE:
            raise InvalidParameterValue(f"You can delete up to {LARGEST_PAGE} versions in a single request.")
        self.error_on_dryrun()
        template = NumberedLaunchTemplate.adopt(self._named_template())
        deleted: list[dict[str, Any]] = []
        kept: list[dict[str, Any]] = []
        for number in numbers:
            item = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "VersionNumber": number}
            refusal = template.delete_version(number)
            if refusal is None:
                deleted.append(item)
            else:
                kept.append({**item, "ResponseError": {"Code": refusal[0], "Message": refusal[1]}})
        return ActionResult(
            {"SuccessfullyDeletedLaunchTemplateVersions": deleted, "UnsuccessfullyDeletedLaunchTemplateVersions": kept}
        )

    def _named_template(self) -> LaunchTemplate:
        name, template_id = self._get_param("LaunchTemplateName"), self._get_param("LaunchTemplateId")
        if name:
            found: LaunchTemplate = self.ec2_backend.get_launch_template_by_name(name)
        else:
            found = self.ec2_backend.get_launch_template(template_id)
        return found

    def _page(
        self, member: str, query: dict[str, Any], found: Sequence[T], wire: Callable[[T], dict[str, Any]]
    ) -> ActionResult:
        size = self._get_int_param("MaxResults")
        if size is not None and not 1 <= size <= LARGEST_PAGE:
            raise InvalidParameterValue(f"Value ( {size} ) for parameter maxResults is invalid: 1 to {LARGEST_PAGE}.")
        params = {**query, "maxResults": size, "nextToken": self._get_param("NextToken")}
        try:
            items, more = page(member, params, found, default=LARGEST_PAGE)
        except ValidationException:
            raise EC2ClientError("InvalidNextToken", "The specified NextToken is not valid.") from None
        return ActionResult({member: [wire(item) for item in items], "NextToken": more.get("nextToken")})

    def _template(self, template: LaunchTemplate) -> dict[str, Any]:
        return {
            "CreateTime": template.create_time,
            "CreatedBy": self._created_by,
            "DefaultVersionNumber": template.default_version_number,
            "LatestVersionNumber": template.latest_version_number,
            "LaunchTemplateId": template.id,
            "LaunchTemplateName": template.name,
            "Tags": template.tags,
        }

    def _version(self, version: LaunchTemplateVersion) -> dict[str, Any]:
        template = version.template
        return {
            "CreateTime": version.create_time,
            "CreatedBy": self._created_by,
            "DefaultVersion": template.is_default(version),
            "LaunchTemplateData": version.data,
            "LaunchTemplateId": template.id,
            "LaunchTemplateName": template.name,
            "VersionDescription": version.description,
            "VersionNumber": version.number,
        }

    @property
    def _created_by(self) -> str:
        return f"arn:{self.partition}:iam::{self.current_account}:root"
