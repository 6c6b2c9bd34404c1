"""Executions beside each other and beside people: leases, claims, shared quotas, control requests, reports."""
