"""Methods and types that `python -m tests.client.generator` writes; do not edit them."""
