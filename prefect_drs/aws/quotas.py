"""DRS's quotas on jobs, per account and region, shared by everybody who starts jobs there.

Source: AWS General Reference, "AWS Elastic Disaster Recovery endpoints and quotas". Quotas on servers are in
`capacity`.
"""

from __future__ import annotations

SERVERS_A_JOB = 100
"""Servers in a single job."""
CONCURRENT_JOBS = 20
"""Jobs in progress at once."""
SERVERS_IN_JOBS = 500
"""Servers in all jobs in progress."""
