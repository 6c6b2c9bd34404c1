"""The URLs that moto routes to DRS."""

from __future__ import annotations

from .responses import DRSResponse

url_bases = [r"https?://drs\.(.+)\.amazonaws\.com"]
url_paths = {"{0}/.*$": DRSResponse.dispatch}
