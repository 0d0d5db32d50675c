"""`python -m cloud_etl.local_aws.redshift`: the server in the foreground, one JSON line on stdout when it is ready."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from cloud_etl.local_aws.redshift.port import S3Settings
from cloud_etl.local_aws.redshift.server import RedshiftServer
from cloud_etl.local_aws.redshift.settings import ServerSettings


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    settings = _settings()
    ended = threading.Event()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wanted, lambda *_: ended.set())
    with RedshiftServer(settings) as server:
        found = {
            "host": server.host, "port": server.port, "user": server.user, "password": server.password,
            "database": server.database, "certificate": str(server.certificate_path),
        }  # fmt: skip
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
        ended.wait()


def _settings() -> ServerSettings:
    parser = argparse.ArgumentParser(prog="python -m cloud_etl.local_aws.redshift", description=main.__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--database", default="dev")
    parser.add_argument("--user", default="awsuser")
    parser.add_argument("--s3-endpoint", required=True)
    parser.add_argument("--s3-region", default="us-east-1")
    parser.add_argument("--s3-access-key-id", default="local")
    # In a file, for everybody on the machine sees a command line.
    parser.add_argument("--s3-secret-file", type=Path)
    given = parser.parse_args()
    secret = {"secret_access_key": given.s3_secret_file.read_text()} if given.s3_secret_file else {}
    s3 = S3Settings(given.s3_endpoint, given.s3_region, access_key_id=given.s3_access_key_id, **secret)
    return ServerSettings(given.folder, s3, given.port, given.database, given.user)


if __name__ == "__main__":
    main()
