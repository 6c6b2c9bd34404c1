"""EC2's launch templates where moto differs from AWS: pagination, the source of a new version, deletion of versions.

In: calls of launch templates, before moto's handlers. Out: AWS's responses. moto numbers versions by their position in
a list; after a deletion, a template uses stored version numbers, and never reuses one.

Sources: EC2 API reference, DescribeLaunchTemplateVersions, DescribeLaunchTemplates, CreateLaunchTemplateVersion and
DeleteLaunchTemplateVersions. The default version cannot be deleted; the reference does not name the error code, so it
is `unexpectedError`, the code of unspecified errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError, InvalidLaunchTemplateVersionNotFound, InvalidParameterValue
from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateVersion
from moto.ec2.responses import EC2Response

from ..drs.exceptions import ValidationException
from ..drs.launching import SUBNET_IS_FULL
from ..drs.paging import page
from .instances import complete

LARGEST_PAGE = 200
"""Templates or versions a page (MaxResults: "between 1 and 200"), and versions a DeleteLaunchTemplateVersions."""

T = TypeVar("T")


class NumberedLaunchTemplate(LaunchTemplate):
    """A launch template with stored version numbers, which have gaps after deletions."""

    issued: int
    """The highest number ever given out."""

    @classmethod
    def adopt(cls, template: LaunchTemplate) -> NumberedLaunchTemplate:
        """Convert a moto template in place."""
        adopted: Any = template
        if not isinstance(template, cls):
            adopted.issued = template.latest_version_number
            adopted.__class__ = cls
        return cast("NumberedLaunchTemplate", adopted)

    def create_version(self, data: dict[str, Any], description: str) -> LaunchTemplateVersion:
        """Create the next version; its number was never used."""
        self.issued += 1
        version = LaunchTemplateVersion(self, self.issued, data, description)
        self.versions.append(version)
        return version

    def get_version(self, num: Any) -> LaunchTemplateVersion:
        """The version with a number, or `$Latest` or `$Default`.

        Raises:
            InvalidLaunchTemplateVersionNotFound: it does not exist, or was deleted.
        """
        if str(num).lower() == "$latest":
            return self.versions[-1]
        if str(num).lower() == "$default":
            return self.default_version()
        return self._numbered(num)

    def default_version(self) -> LaunchTemplateVersion:
        """The version that a launch uses by default."""
        return self._numbered(self.default_version_number)

    def _numbered(self, number: Any) -> LaunchTemplateVersion:
        for version in self.versions:
            if str(version.number) == str(number):
                return version
        raise InvalidLaunchTemplateVersionNotFound(version=number, template_id=self.id)

    def delete_version(self, number: str) -> tuple[str, str] | None:
        """Delete a version; returns None, or a `LaunchTemplateErrorCode` and a message."""
        if str(self.default_version_number) == number:
            message = f"Version {number} is the default version of {self.id}: set another default first."
            return "unexpectedError", message
        try:
            self.versions.remove(self._numbered(number))
        except InvalidLaunchTemplateVersionNotFound as missing:
            return "launchTemplateVersionDoesNotExist", str(missing.message)
        return None


class SandboxEC2Response(EC2Response):
    """EC2 with AWS's launch template behaviour, the default key for EBS, and instances as their types demand."""

    def get_ebs_default_kms_key_id(self) -> ActionResult:
        """GetEbsDefaultKmsKeyId: the AWS managed key, unless ModifyEbsDefaultKmsKeyId set another."""
        self.error_on_dryrun()
        return ActionResult({"KmsKeyId": self.ec2_backend.default_kms_key_id or "alias/aws/ebs"})

    def run_instances(self) -> ActionResult:
        """RunInstances; the instances have what follows from their type.

        Raises:
            EC2ClientError: the subnet has too few free addresses.
        """
        try:
            answer = super().run_instances()
        except StopIteration:  # moto's, where a subnet has no free address
            code, _, message = SUBNET_IS_FULL.partition(": ")
            raise EC2ClientError(code, message) from None
        for instance in next(reversed(self.ec2_backend.reservations.values())).instances:
            complete(instance)
        return answer

    def describe_launch_templates(self) -> ActionResult:
        """DescribeLaunchTemplates, with pagination."""
        names, ids = self._get_param("LaunchTemplateNames", []), self._get_param("LaunchTemplateIds", [])
        filters = self._filters_from_querystring()
        self.error_on_dryrun()
        found = self.ec2_backend.describe_launch_templates(template_names=names, template_ids=ids, filters=filters)
        return self._page("LaunchTemplates", {"names": names, "ids": ids, "filters": filters}, found, self._template)

    def describe_launch_template_versions(self) -> ActionResult:
        """DescribeLaunchTemplateVersions of one template, or of all ($Latest, $Default), with pagination."""
        query = {
            "template_name": self._get_param("LaunchTemplateName"),
            "template_id": self._get_param("LaunchTemplateId"),
            "versions": self._get_param("Versions", []),
        }
        lowest, highest = self._get_int_param("MinVersion"), self._get_int_param("MaxVersion")
        self.error_on_dryrun()
        versions = self.ec2_backend.describe_launch_template_versions(
            **query, min_version=None, max_version=None, max_results=None
        )
        found = {
            (template.id, version.number): version
            for template, version in versions
            if (lowest or 0) <= version.number <= (highest or version.number)
        }
        bounds = {"lowest": lowest, "highest": highest}
        return self._page("LaunchTemplateVersions", {**query, **bounds}, list(found.values()), self._version)

    def create_launch_template_version(self) -> ActionResult:
        """CreateLaunchTemplateVersion: omitted settings are inherited from the source version."""
        template = self._named_template()
        source = self._get_param("SourceVersion")
        data = self._get_param("LaunchTemplateData", {})
        self.error_on_dryrun()
        inherited = template.get_version(source).data if source else {}
        version = template.create_version({**inherited, **data}, self._get_param("VersionDescription"))
        return ActionResult({"LaunchTemplateVersion": self._version(version)})

    def delete_launch_template_versions(self) -> ActionResult:
        """DeleteLaunchTemplateVersions: up to 200, each with its result; never the default version."""
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
