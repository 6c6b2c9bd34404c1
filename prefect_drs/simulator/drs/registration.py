"""Registration of DRS as a moto service."""

from __future__ import annotations

import re
import sys

from moto import backend_index

from . import models, urls

NAME = "drs"


def register() -> bool:
    """Register DRS with moto; returns whether it was not registered before.

    Afterwards `moto.mock_aws` and moto's server serve DRS.
    """
    if any(name == NAME for name, _ in backend_index.backend_url_patterns):
        return False
    sys.modules["moto.drs"] = sys.modules[__package__]
    sys.modules["moto.drs.models"] = models
    sys.modules["moto.drs.urls"] = urls
    # At the front: moto tries its patterns in order, and no other pattern begins with drs.
    backend_index.backend_url_patterns.insert(0, (NAME, re.compile(urls.url_bases[0])))
    return True
