"""What a local Redshift server is started with, and where it lies."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from cloud_etl.local_aws.redshift.port import S3Settings


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """A local Redshift server.

    Args:
        folder: holds its data, its certificate, its password and its log; made when it is not there.
        s3: the endpoint COPY and UNLOAD use.
        port: 0 takes a free one.
        database: made at the first start.
        user: the administrator.
        password: of the administrator; None keeps the one in the folder, made at the first start.
    """

    folder: Path
    s3: S3Settings
    port: int = 0
    database: str = "dev"
    user: str = "awsuser"
    password: str | None = None

    def kept_password(self) -> str:
        """The administrator's password, made and kept in the folder when none was given."""
        if self.password is not None:
            return self.password
        kept = self.folder / "password"
        if not kept.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            kept.touch(mode=0o600)
            # Redshift asks for an upper-case letter, a lower-case letter and a digit.
            kept.write_text(f"Aa1{secrets.token_urlsafe(24)}")
        return kept.read_text()
