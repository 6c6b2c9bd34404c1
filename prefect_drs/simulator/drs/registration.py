"""How moto comes to know DRS as one of its services."""

from __future__ import annotations

import re
import sys

from moto import backend_index

from . import models, urls

NAME = "drs"


def register() -> bool:
    """Register DRS with moto; whether it was not there before.

    After it, `moto.mock_aws` and moto's server answer for DRS.
    """
    if any(name == NAME for name, _ in backend_index.backend_url_patterns):
        return False
    sys.modules["moto.drs"] = sys.modules[__package__]
    sys.modules["moto.drs.models"] = models
    sys.modules["moto.drs.urls"] = urls
    # In front: moto tries its patterns one by one, and none of the others begins with drs.
    backend_index.backend_url_patterns.insert(0, (NAME, re.compile(urls.url_bases[0])))
    return True
