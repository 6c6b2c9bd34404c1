"""AWS Elastic Disaster Recovery as a service of moto, in moto's own form.

`models` has the state, `responses` the wire format, `urls` the URLs, `exceptions` the errors; each resource of DRS has
a file of its own. Nothing here imports another part of this package.
"""

from .models import drs_backends

__all__ = ["drs_backends"]
