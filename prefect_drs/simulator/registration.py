"""How moto comes to know DRS: two registrations, and the sandbox's checks before other services; once a process."""

from __future__ import annotations

import re
import sys

from moto import backend_index

from . import drs
from .drs import models, urls
from .services.guard import guard_services

NAME = "drs"


def install() -> None:
    """Register the backend with moto. Calling it again changes nothing.

    After it, `moto.mock_aws` and moto's server answer for DRS.
    """
    if any(name == NAME for name, _ in backend_index.backend_url_patterns):
        return
    sys.modules["moto.drs"] = drs
    sys.modules["moto.drs.models"] = models
    sys.modules["moto.drs.urls"] = urls
    guard_services()
    # In front: moto tries its patterns one by one, and none of the others begins with drs.
    backend_index.backend_url_patterns.insert(0, (NAME, re.compile(urls.url_bases[0])))
