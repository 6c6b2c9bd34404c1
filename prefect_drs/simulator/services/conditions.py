"""IAM's condition operators and patterns.

In: the `Condition` element of a statement and the request's context. Out: whether all its conditions are true. The
operators are String…, Arn…, Bool, Null, Date…, Numeric…, IpAddress and NotIpAddress, each with …IfExists, ForAnyValue:
and ForAllValues:. Any other operator is false. Policy variables (`${aws:PrincipalAccount}`) have the value of a key
with one value; a variable without a value matches nothing.

Source: IAM user guide, "IAM JSON policy elements: Condition operators" and "Policy variables".
"""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

Context = Mapping[str, Sequence[str]]
"""Values by condition key, the key in lower case: keys are not case-sensitive."""
_VARIABLE = re.compile(r"\$\{([^}]+)\}")
_LITERAL = {"*": "*", "?": "?", "$": "$"}
"""`${*}` and the like stand for the character itself."""
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}


def listed(value: Any) -> list[Any]:
    """A list, also of a single value."""
    return value if isinstance(value, list) else [] if value is None else [value]


def matches(pattern: str, text: str, flags: int = 0) -> bool:
    """Whether a text matches an IAM pattern: `*` matches any characters, `?` one."""
    return _compiled(pattern, flags).fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), flags | re.DOTALL)


def filled(text: str, context: Context) -> str | None:
    """A text with its policy variables replaced; None where one has no single value."""
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        name, _, default = found[1].partition(",")
        values = context.get(name.strip().lower(), ())
        if len(values) == 1:
            return values[0]
        if default:
            return default.strip().strip("'")
        missing = missing or name not in _LITERAL
        return _LITERAL.get(name, "")

    replaced = _VARIABLE.sub(value, text)
    return None if missing else replaced


def conditions_hold(conditions: Mapping[str, Any] | None, context: Context) -> bool:
    """Whether all conditions of a statement are true."""
    return all(
        _holds(name, [_text(value) for value in listed(values)], context, key)
        for name, asked in (conditions or {}).items()
        for key, values in asked.items()
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _holds(name: str, wanted: list[str], context: Context, key: str) -> bool:
    quantifier, _, kind = name.rpartition(":")
    given = context.get(key.lower())
    if kind == "Null":
        return (given is None) == (wanted[0].lower() == "true")
    optional, kind = kind.endswith("IfExists"), kind.removesuffix("IfExists")
    if quantifier == "ForAllValues" and not given:
        return True
    positive = _NEGATED.get(kind)
    if given is None:
        return optional or (positive is not None and quantifier != "ForAnyValue")
    values = [one for text in wanted if (one := filled(text, context)) is not None]

    def meets(value: str) -> bool:
        found = any(_equals(positive or kind, one, value) for one in values)
        return found if positive is None else not found

    if quantifier == "ForAllValues" or (positive is not None and not quantifier):
        return all(meets(value) for value in given)
    return any(meets(value) for value in given)


_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}


def _equals(kind: str, wanted: str, given: str) -> bool:
    if kind == "StringEquals":
        return wanted == given
    if kind in {"StringEqualsIgnoreCase", "Bool"}:
        return wanted.casefold() == given.casefold()
    if kind in {"StringLike", "ArnLike", "ArnEquals"}:
        return matches(wanted, given)
    try:
        if kind == "IpAddress":
            return ipaddress.ip_address(given) in ipaddress.ip_network(wanted, strict=False)
        if kind.startswith("Date") and kind[4:] in _ORDERS:
            return _ORDERS[kind[4:]](_time(given), _time(wanted))
        if kind.startswith("Numeric") and kind[7:] in _ORDERS:
            return _ORDERS[kind[7:]](float(given), float(wanted))
    except ValueError:
        return False  # not an address, a time or a number
    return False


def _time(text: str) -> datetime:
    """A W3C profile of ISO 8601, or seconds since 1970."""
    if re.fullmatch(r"\d{9,}(\.\d+)?", text):
        return datetime.fromtimestamp(float(text), UTC)
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at if at.tzinfo else at.replace(tzinfo=UTC)
