"""`python -m cloud_etl.local_aws.aws`: moto in the foreground, for those alone who have the key.

moto itself gives every secret to everybody.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sts.models import sts_backends
from werkzeug.serving import run_simple

from cloud_etl.local_aws.aws.signature import Request, is_signed

# Any: a WSGI application takes what its server puts into the environment.
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_REFUSAL = (
    b'{"__type": "SignatureDoesNotMatch", "message": "This server answers those alone who sign with the key of its '
    b'folder: cloud-etl local up prints it."}'
)


def guarded(application: Application, access_key_id: str, secret: str) -> Application:
    """An application that answers signed requests: by the key of the folder, or by one that STS gave for it."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def secret_of(access_key: str) -> str | None:
            return secret if access_key == access_key_id else _assumed(access_key)

        if is_signed(_request(environ), secret_of):
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "application/x-amz-json-1.1")])
        return [_REFUSAL]

    return answer


def _assumed(access_key: str) -> str | None:
    for account in sts_backends.values():
        for backend in account.values():
            if (role := backend.get_assumed_role_from_access_key(access_key)) is not None:
                return role.secret_access_key
    return None


def _request(environ: dict[str, Any]) -> Request:
    sent = urlsplit(environ["REQUEST_URI"])
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]

    def body() -> bytes:
        read: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(read)
        return read

    return Request(environ["REQUEST_METHOD"], sent.path, sent.query, headers, body)


def main() -> None:
    """Serve until a signal ends the process."""
    parser = argparse.ArgumentParser(prog="python -m cloud_etl.local_aws.aws", description=main.__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--access-key-id", required=True)
    # In a file, for everybody on the machine sees a command line.
    parser.add_argument("--secret-file", type=Path, required=True)
    given = parser.parse_args()
    application = DomainDispatcherApplication(create_backend_app)
    run_simple(
        given.host, given.port, guarded(application, given.access_key_id, given.secret_file.read_text()),
        threaded=True, request_handler=MotoRequestHandler,
    )  # fmt: skip


if __name__ == "__main__":
    main()
