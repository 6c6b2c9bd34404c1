"""Whether a host is this machine: plain HTTP is safe there, and only there.

In: a host, by its name or address. Out: yes or no; no name is looked up.
"""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host is this machine's loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
