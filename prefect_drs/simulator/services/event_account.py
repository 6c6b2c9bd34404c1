"""EventBridge's messages with their account, which moto's template of a message lacks.

Source: EventBridge user guide, "AWS service event metadata" (`account`: the account that publishes the event).
"""

from __future__ import annotations

from moto.events.utils import EventTemplateParser

_ACCOUNT = '"account": "<account>"'


def name_account() -> None:
    """Add the account to the messages of targets without an input transformer; idempotent."""
    template = EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE
    if _ACCOUNT not in template:
        EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE = "{" + _ACCOUNT + ", " + template.removeprefix("{")
