"""Everything that knows Prefect: flows, approvals, executions, storage, scheduled deployments, blocks and settings."""
