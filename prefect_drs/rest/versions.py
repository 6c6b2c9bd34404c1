"""ETag and If-Match of stored groups and plans: their version.

In: the header If-Match. Out: the version that a change is made from. The ETag is the version of what is stored; which
servers a tag selection holds at the moment is no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from prefect_drs.core.errors import PrefectDrsError
from prefect_drs.operations.invocation import InvalidRequestError

_TAG = re.compile(r'\s*(?:(W/)?"([^"]*)"|(\*))\s*(?:,|$)')


class StaleVersionError(PrefectDrsError):
    """No ETag of If-Match is that of the stored version."""

    code = "VERSION_MISMATCH"


def etag_of(answer: Any) -> str | None:
    """The ETag of an answer; None where it has no version."""
    version = answer.get("version") if isinstance(answer, Mapping) else None
    return None if version is None else f'"{version}"'


def with_version(values: dict[str, Any], if_match: str | None, current: Callable[[], int]) -> dict[str, Any]:
    """The values with the version of If-Match, if there is one.

    Args:
        values: the parameters of the operation.
        if_match: the header.
        current: reads the stored version; called only for `*` and for several ETags.

    Raises:
        InvalidRequestError: the header is malformed, or contradicts the version in `values`.
        StaleVersionError: no ETag can be that of the stored version.
    """
    if if_match is None:
        return values
    tags, any_version = _tags(if_match)
    # If-Match compares strongly (RFC 9110, 13.1.1): weak tags never match. Only numbers were ever given out.
    versions = {int(tag) for weak, tag in tags if not weak and tag.isascii() and tag.isdigit() and len(tag) < 18}
    if any_version:
        version = values.get("version")
        return values if version is not None else {**values, "version": current()}
    if len(versions) > 1:
        versions &= {current()}
    if not versions or 0 in versions:
        raise StaleVersionError("If-Match names no version that is stored; read it again and take its ETag")
    (version,) = versions
    if values.get("version", version) != version:
        fault = {"field": "version", "message": "contradicts the header If-Match; give one of them"}
        raise InvalidRequestError(f"version {fault['message']}", faults=[fault])
    return {**values, "version": version}


def _tags(header: str) -> tuple[list[tuple[bool, str]], bool]:
    tags, any_version, position = [], False, 0
    while position < len(header):
        found = _TAG.match(header, position)
        if found is None:
            fault = {"field": "If-Match", "message": 'is an ETag in quotation marks, such as "3"'}
            raise InvalidRequestError(f"If-Match {fault['message']}", faults=[fault])
        any_version = any_version or found[3] is not None
        if found[3] is None:
            tags.append((found[1] is not None, found[2]))
        position = found.end()
    return tags, any_version
