"""A bucket and a client of the local Redshift server; each test has a prefix and a schema of its own."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redshift_connector

BUCKET = "copy-tests"
ROLE = "IAM_ROLE 'arn:aws:iam::123456789012:role/copy'"


@dataclass(frozen=True)
class Place:
    """A prefix in S3."""

    s3: object
    key: str

    @property
    def uri(self) -> str:
        return f"s3://{BUCKET}/{self.key}"

    def put(self, name: str, body: bytes | str) -> str:
        self.s3.put_object(Bucket=BUCKET, Key=self.key + name, Body=body.encode() if isinstance(body, str) else body)
        return self.uri + name

    def put_parquet(self, name: str, table: pa.Table, **options: object) -> int:
        body = io.BytesIO()
        pq.write_table(table, body, **options)
        self.put(name, body.getvalue())
        return len(body.getvalue())

    def keys(self, prefix: str = "") -> list[str]:
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=self.key + prefix).get("Contents", [])
        return [item["Key"].removeprefix(self.key) for item in found]

    def read(self, name: str) -> bytes:
        return self.s3.get_object(Bucket=BUCKET, Key=self.key + name)["Body"].read()

    def parquet(self, name: str) -> pa.Table:
        return pq.read_table(io.BytesIO(self.read(name)))


@pytest.fixture(scope="session")
def s3(moto_server):
    client = moto_server.client()
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def place(s3) -> Place:
    return Place(s3, f"{uuid.uuid4().hex[:12]}/")


class Client:
    """One session; results as plain lists."""

    def __init__(self, connection: redshift_connector.Connection) -> None:
        self.connection = connection
        self._cursor = connection.cursor()

    def run(self, sql: str) -> None:
        self.connection.notices.clear()
        self._cursor.execute(sql)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        self._cursor.execute(sql)
        return [tuple(row) for row in self._cursor.fetchall()]

    def refused(self, sql: str) -> dict[str, str]:
        """The fields of the ErrorResponse that a statement ends in."""
        with pytest.raises(redshift_connector.error.ProgrammingError) as caught:
            self._cursor.execute(sql)
        if not self.connection.autocommit:
            self.connection.rollback()
        return caught.value.args[0]

    def copy(self, table: str, uri: str, options: str) -> int:
        """Load, and give the number of rows that pg_last_copy_count() tells."""
        self.run(f"copy {table} from '{uri}' {ROLE} {options}")
        return self.rows("select pg_last_copy_count()")[0][0]

    def copy_refused(self, table: str, uri: str, options: str) -> str:
        """Text and, if any, code and context of the error."""
        failure = self.refused(f"copy {table} from '{uri}' {ROLE} {options}")
        lines = dict(line.strip().partition(":")[::2] for line in failure.get("D", "").splitlines() if ":" in line)
        more = [lines[name].strip() for name in ("code", "context") if name in lines]
        return " | ".join([failure["M"], *more])

    def unload(self, query: str, uri: str, options: str = "") -> None:
        self.run(f"unload ($${query}$$) to '{uri}' {ROLE} {options}")

    def notices(self) -> list[str]:
        """Texts of the INFO lines of the last statement."""
        return [notice[b"M"].decode() for notice in self.connection.notices]

    def errors(self) -> list[tuple[object, ...]]:
        """Load errors of the last failed or partial load, in the order of their lines."""
        return self.rows(
            "select line_number, btrim(colname), err_code, btrim(err_reason) from stl_load_errors "
            "where query = (select max(query) from stl_load_errors) order by line_number"
        )


@pytest.fixture
def client(redshift_server) -> Iterator[Client]:
    with redshift_connector.connect(
        host=redshift_server.host, port=redshift_server.port, database=redshift_server.database,
        user=redshift_server.user, password=redshift_server.password, ssl=False,
    ) as connection:  # fmt: skip
        connection.autocommit = True
        schema = f"s{uuid.uuid4().hex[:12]}"
        made = Client(connection)
        made.run(f"create schema {schema}")
        made.run(f"set search_path to {schema}")
        yield made
