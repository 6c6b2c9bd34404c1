"""Runs AWS CLI commands, one a line of standard input, in one process of the CLI's own environment.

In: `{"arguments": […], "environment": {…}}` a line, as JSON. Out: `{"code": …, "output": …, "error": …}` a line. Each
command goes through the function that the script `aws` calls, with a session of its own; only Python starts once.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys

from awscli.clidriver import main


def run(arguments: list[str], environment: dict[str, str]) -> dict[str, object]:
    """Exit code, standard output and standard error of a command."""
    before = dict(os.environ)
    os.environ.update(environment)
    sys.argv = ["aws", *arguments]
    output, error = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(error):
            code = main()
    except SystemExit as exit_:
        code = exit_.code
    finally:
        os.environ.clear()
        os.environ.update(before)
    return {"code": code, "output": output.getvalue(), "error": error.getvalue()}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)
