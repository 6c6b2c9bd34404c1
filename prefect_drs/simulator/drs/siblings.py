"""DRS of other accounts and regions, for staging accounts and failback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .configuration_templates import ConfigurationTemplate
from .enrolment import Enrolment
from .source_servers import SourceServer
from .store import Store


class Sibling(Protocol):
    """DRS in another account or region. `trusted_accounts` may read it as a staging account; None: all may."""

    initialized: bool
    trusted_accounts: set[str] | None
    servers: Store[SourceServer]
    launch_templates: Store[ConfigurationTemplate]
    enrolment: Enrolment


Siblings = Callable[[str, str], Sibling]
"""The sibling of an account and region, brought up to now. Raises KeyError for a region that DRS is not in."""
