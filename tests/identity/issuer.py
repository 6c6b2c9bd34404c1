"""An OIDC issuer with real keys on a free port of this machine, and a server that records who asks it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey


class Web:
    """A server that answers JSON documents by their path, and records each request."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}
        self.redirects: dict[str, str] = {}
        self.requests: list[str] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.requests.append(self.path)
                if (to := web.redirects.get(self.path)) is not None:
                    self.send_response(302)
                    self.send_header("Location", to)
                    self.end_headers()
                    return
                found = web.documents.get(self.path)
                body = json.dumps(found).encode()
                self.send_response(404 if found is None else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Issuer(Web):
    """An issuer: discovery, keys, tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.rsa = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig", "alg": "RS256"})
        self.ec = ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig"})
        self.documents["/.well-known/openid-configuration"] = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        self.publish(self.rsa, self.ec)

    def publish(self, *keys: Any) -> None:
        self.documents["/keys"] = {"keys": [key.as_dict(private=False) for key in keys]}

    def claims(self, **changed: Any) -> dict[str, Any]:
        now = int(datetime.now(UTC).timestamp())
        claims = {"iss": self.url, "sub": "ada", "aud": "prefect-drs", "iat": now, "exp": now + 600}
        return {name: value for name, value in {**claims, **changed}.items() if value is not None}

    def token(self, *, key: Any = None, header: dict[str, Any] | None = None, **changed: Any) -> str:
        chosen = key or self.rsa
        head = {"alg": "RS256" if isinstance(chosen, RSAKey) else "ES256", "kid": chosen.kid, **(header or {})}
        return jwt.encode(head, self.claims(**changed), chosen, algorithms=[head["alg"]])


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    try:
        yield issuer
    finally:
        issuer.close()
