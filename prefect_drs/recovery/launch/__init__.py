"""Launching servers: jobs of an account-region, what DRS answers, and which servers share a job when."""
