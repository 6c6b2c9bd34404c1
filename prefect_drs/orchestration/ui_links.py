"""Links to the Prefect UI's pages of flow runs, in the UI that the server shows by default.

`prefect.utilities.urls.url_for` makes links to the V1 UI. Where V2 is the server's default (since 3.8) people meet two
UIs, and at a gate V1's form opens its drop-down by the keyboard only. The server tells its default in `/ui-settings`
(`create_ui_app` in Prefect's server/api/server.py).

Must never: fail because the UI cannot be asked; ask it for every link.
"""

from __future__ import annotations

import time
from urllib.parse import urljoin, urlsplit
from uuid import UUID

import httpx
from prefect.logging import get_logger
from prefect.utilities.urls import url_for

_PATIENCE = 5.0  # seconds; a server that has just started answers within one or two
_ASK_AGAIN_AFTER = 60.0  # seconds, where the UI did not answer

_logger = get_logger("prefect_drs.orchestration.ui_links")
_preferred: dict[str, str] = {}
_asked: dict[str, float] = {}


def ui_link(flow_run_id: UUID | str) -> str | None:
    """The page of a flow run in the Prefect UI (PREFECT_UI_URL, else derived from the API's URL); None if unknown."""
    link = url_for("flow-run", obj_id=str(flow_run_id))
    page = f"/runs/flow-run/{flow_run_id}"
    if link is None or not link.endswith(page):
        return link
    return _preferred_base(link.removesuffix(page)) + page


def _preferred_base(base: str) -> str:
    """The address of the server's default UI; `base`, that of V1, where there is no other or it cannot be asked."""
    if base in _preferred:
        return _preferred[base]
    if time.monotonic() < _asked.get(base, -_ASK_AGAIN_AFTER) + _ASK_AGAIN_AFTER:
        return base
    _asked[base] = time.monotonic()
    try:
        settings = httpx.get(f"{base}/ui-settings", timeout=_PATIENCE).raise_for_status().json()
        default, v1, v2 = settings["default_ui"], settings["v1_base_url"], settings["v2_base_url"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        _logger.debug("The Prefect UI at %s did not say which UI is its default: %r", base, error)
        return base
    at_its_own_path = urlsplit(base).path.rstrip("/") == str(v1 or "/").rstrip("/")  # no proxy has moved it
    is_v2 = default == "v2" and v2 and at_its_own_path
    _preferred[base] = urljoin(f"{base}/", str(v2)).rstrip("/") if is_v2 else base
    return _preferred[base]
