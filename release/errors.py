"""What stops a release."""

from __future__ import annotations


class ReleaseError(Exception):
    """The release stopped before the tag. The message says what to do."""
