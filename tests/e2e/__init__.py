"""End to end: the command line, a Prefect server and a browser, as a user meets them."""
