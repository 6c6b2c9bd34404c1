"""What every room needs: time, errors, escaping, files that only their owner can read. No AWS, no Prefect."""
