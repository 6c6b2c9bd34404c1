"""Registration of DRS and of the sandbox's checks with moto; once per process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.core.config import default_user_config

from . import runtime
from .drs import environment, urls
from .drs.registration import register
from .services.drs import SandboxDRSResponse
from .services.event_account import name_account
from .services.guard import guard_services
from .services.one_clock import share_clock


def install() -> None:
    """Register DRS with moto, with the sandbox's clock, faults and checks; idempotent.

    Afterwards `moto.mock_aws` and moto's server serve DRS.
    """
    if not register():
        return
    environment.provide(runtime.current)
    urls.url_paths.update(dict.fromkeys(urls.url_paths, SandboxDRSResponse.dispatch))
    guard_services()
    share_clock()
    name_account()


@contextmanager
def images_loaded(wanted: bool) -> Iterator[None]:
    """Set whether the EC2 backends that moto creates within the block have its 1,300 images."""
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


@contextmanager
def functions_answer() -> Iterator[None]:
    """Make Lambda functions answer with the payload they get, within the block; moto would run them in Docker."""
    settings: dict[str, Any] = default_user_config["lambda"]  # type: ignore[assignment]
    before = settings["use_docker"]
    settings["use_docker"] = False
    try:
        yield
    finally:
        settings["use_docker"] = before
