"""AWS clients that were not written here, against the sandbox: `make foreign-clients` installs them."""
