"""How moto comes to know DRS and the sandbox's checks in front of its services; once a process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from . import runtime
from .drs import environment, urls
from .drs.registration import register
from .services.drs import SandboxDRSResponse
from .services.guard import guard_services


def install() -> None:
    """Register DRS with moto, under the sandbox's clock, faults and checks. Calling it again changes nothing.

    After it, `moto.mock_aws` and moto's server answer for DRS.
    """
    if not register():
        return
    environment.provide(runtime.current)
    urls.url_paths.update(dict.fromkeys(urls.url_paths, SandboxDRSResponse.dispatch))
    guard_services()


@contextmanager
def images_loaded(wanted: bool) -> Iterator[None]:
    """Let the backends of EC2 that moto makes within the block have its 1,300 images, or not."""
    name = "MOTO_EC2_LOAD_DEFAULT_AMIS"
    before = os.environ.get(name)
    if not wanted:
        os.environ[name] = "false"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
