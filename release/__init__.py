"""A release by one command, `make release VERSION=X.Y.Z`: check, build, try, tag. It uploads nothing.

The stages, in order: `preconditions` reads the tree, the version and the changelog; `__main__` builds sdist and wheel
in a new folder; `wheel` installs the wheel in an empty environment outside the checkout, where commands are tried; only
then is the version tagged. The wheel does not contain this folder.
"""
