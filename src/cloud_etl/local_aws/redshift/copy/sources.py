"""The files of a COPY: below a prefix, or as a manifest lists them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from cloud_etl.local_aws.redshift.copy.failures import detailed, s3_exception
from cloud_etl.local_aws.redshift.copy.objects import Objects, S3Address
from cloud_etl.local_aws.redshift.copy.statement import CopyStatement
from cloud_etl.local_aws.redshift.port import RedshiftError, SessionInfo

_MANIFEST = "spectrum_manifest.cpp:204"
_MANIFEST_ERROR = 15003


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to load.

    Attributes:
        size_bytes: as a columnar manifest says, else as S3 says.
    """

    address: S3Address
    size_bytes: int


class SourceFiles:
    """Finds the files of a statement."""

    def __init__(self, statement: CopyStatement, objects: Objects, session: SessionInfo) -> None:
        """Store what to look for."""
        self._statement = statement
        self._objects = objects
        self._session = session

    def find(self) -> list[SourceFile]:
        """The files, in the order of their keys or of the manifest.

        Raises:
            RedshiftError: there are none, a mandatory one is missing, S3 refuses, or the manifest is off.
        """
        address = S3Address.parse(self._statement.source)
        self._check_region(address.bucket)
        if self._statement.manifest:
            return self._from_manifest(address)
        found = [
            SourceFile(S3Address(address.bucket, info.key), info.size_bytes) for info in self._objects.list(address)
        ]
        if not found:
            context = ""
            raise detailed(
                self._session, f"The specified S3 prefix '{address.key}' does not exist", 8001, context,
                "s3_utility.cpp:671",
            )  # fmt: skip
        return sorted(found, key=lambda file: file.address.key)

    def _check_region(self, bucket: str) -> None:
        region = self._objects.region_of(bucket)
        if region is None or region == (self._statement.region or self._session.s3.region):
            return
        if self._statement.columnar:
            raise RedshiftError("The S3 bucket addressed by the query is in a different region from this cluster.")
        raise s3_exception("PermanentRedirect")

    def _from_manifest(self, address: S3Address) -> list[SourceFile]:
        if not address.key or address.key.endswith("/"):
            raise detailed(
                self._session, "COPY with MANIFEST parameter requires full path of an S3 object.", 8001, "",
                "s3_utility.cpp:300",
            )  # fmt: skip
        text = self._objects.read(address, "Problem reading manifest file - ")
        try:
            manifest = json.loads(text)
        except ValueError:
            manifest = None
        entries = manifest.get("entries") if isinstance(manifest, dict) else None
        if not isinstance(entries, list):
            message = "Parsed manifest is not a valid JSON object."
            if isinstance(manifest, dict):
                message = "Parsed manifest does not have an 'entries' array."
            raise self._manifest_error(message, address.uri)
        found = [file for file in map(self._entry, entries) if file is not None]
        if not found:
            raise s3_exception("NoSuchKey", "No file of the manifest was found - ")
        return found

    def _entry(self, entry: object) -> SourceFile | None:
        url = entry.get("url") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(url, str):
            raise self._manifest_error("File entry does not have 'url' key.", self._statement.source)
        length = self._content_length(entry) if self._statement.columnar else None
        address = S3Address.parse(url)
        try:
            actual = self._objects.find(address).size_bytes
        except RedshiftError as exc:
            missing = "Error NoSuchKey" in exc.message
            if missing and entry.get("mandatory") is not True:
                return None
            if missing:
                raise s3_exception("NoSuchKey", f"Mandatory file {address.uri} of the manifest - ") from exc
            raise
        return SourceFile(address, actual if length is None else length)

    def _content_length(self, entry: dict[str, object]) -> int:
        meta = entry.get("meta")
        if not isinstance(meta, dict):
            raise self._manifest_error("File entry does not have 'meta' key.", str(entry["url"]))
        length = meta.get("content_length")
        if not isinstance(length, int):
            raise self._manifest_error("File entry 'meta' does not have 'content_length' key.", str(entry["url"]))
        return length

    def _manifest_error(self, message: str, context: str) -> RedshiftError:
        return detailed(self._session, message, _MANIFEST_ERROR, context, _MANIFEST)
