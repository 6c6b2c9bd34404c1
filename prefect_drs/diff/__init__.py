"""What a change of a manifest does to a recovery, shown before anybody approves it.

    model.py     a Difference: plain data
    compare.py   two manifests -> a Difference: waves, servers, settings, forecast
    words.py     a Difference -> lines for a terminal, or Markdown for a pull request

Offline: it calls neither Prefect nor AWS, and the forecast uses its defaults, so that the same two manifests always
give the same text.
"""

from prefect_drs.diff.compare import compare
from prefect_drs.diff.model import Difference
from prefect_drs.diff.words import difference_json, markdown, text

__all__ = ["Difference", "compare", "difference_json", "markdown", "text"]
