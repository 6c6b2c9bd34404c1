"""Within `mock_drs` a server of this machine is reached, whatever the path of its URL resembles."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
import requests

from prefect_drs.simulator import mock_drs


class Answers(BaseHTTPRequestHandler):
    """Answers each GET with its path."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.mark.parametrize(
    "path", ["/ready", "/executions/.amazonaws.com/recovery-instances", "/s3.amazonaws.com/bucket"]
)
def test_a_local_server_is_reached_by_a_path_that_resembles_an_endpoint_of_aws(path: str):
    with mock_drs(), ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        answer = requests.get(f"http://127.0.0.1:{server.server_port}{path}", timeout=30)
        server.shutdown()
        thread.join()
        assert boto3.client("sts", region_name="us-east-1").get_caller_identity()["Account"] == "123456789012"
    assert (answer.status_code, answer.text) == (200, path)
