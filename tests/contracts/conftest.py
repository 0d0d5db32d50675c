"""Redshift as a warehouse of the contract suite: the local server, or the cluster that a variable names.

CLOUD_ETL_TEST_REDSHIFT_DSN=redshift://user:password@host:5439/database?store=s3://bucket/prefix&copy_role=arn:aws:iam::...
The database is used by the tests alone: they drop the schemas that they use. COPY reads the prefix with copy_role; the
tests write to it with the AWS credentials of the environment.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import strategies as st

from cloud_etl.domain.environment import S3Spec
from cloud_etl.domain.run import LoadTask, Publication, PublishedFile
from cloud_etl.domain.warehouse import WarehouseSpec
from cloud_etl.load.dialect import quote
from cloud_etl.load.redshift import Loader
from cloud_etl.load.redshift.dialect import fold
from cloud_etl.load.redshift.retry import Backoff
from cloud_etl.load.redshift.session import Connector
from cloud_etl.publish.manifest import Origin, encode
from cloud_etl.storage.object_store import ObjectStore

DSN = os.environ.get("CLOUD_ETL_TEST_REDSHIFT_DSN")
SCHEMAS = ("shop", "other", "s", "cloud_etl")


@dataclass
class Cluster:
    """Where the tests find Redshift and S3; kept for the whole run, so that no schema of a test is left.

    Attributes:
        redshift: settings as in cloud-etl.yaml.
        used: schemas that tests have made.
    """

    redshift: dict[str, object]
    store: str
    s3: S3Spec
    used: set[str] = field(default_factory=lambda: set(SCHEMAS))

    @classmethod
    def of_dsn(cls, dsn: str) -> Cluster:
        parts = urlsplit(dsn)
        options = {name: values[0] for name, values in parse_qs(parts.query).items()}
        redshift = {
            "host": parts.hostname, "port": parts.port or 5439, "database": parts.path.strip("/"),
            "user": unquote(parts.username or ""), "auth": {"password": unquote(parts.password or "")},
            "copy_role": options.get("copy_role", "default"),
        }  # fmt: skip
        return cls(redshift, options["store"], S3Spec(region=options.get("region")))

    @property
    def spec(self) -> WarehouseSpec:
        return WarehouseSpec.model_validate({"redshift": self.redshift})


class RedshiftWarehouse:
    """An empty warehouse: what tests before it made is dropped."""

    name = "redshift"
    widens = False
    foreign_type = "CHAR(4)"
    # What can be printed and is no capital beyond Z; the PostgreSQL of the local server has room for 63 bytes.
    names = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20) | st.text(
        st.characters(exclude_categories=["C", "Z", "Lu", "Lt"]), min_size=1, max_size=15
    )

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.store = ObjectStore.open(f"{cluster.store}/{uuid.uuid4().hex[:12]}", cluster.s3, Path())
        self.execute(*(f"DROP SCHEMA IF EXISTS {quote(schema)} CASCADE" for schema in sorted(cluster.used)))
        cluster.used = set(SCHEMAS)

    def maker(self, **options: object) -> Callable[[], Loader]:
        """What makes a loader, also in a child process that gets it pickled."""
        return partial(Loader, self.cluster.spec, Path(), backoff=Backoff(8, 0.05, 1.0), **options)

    def loader(self, **options: object) -> Loader:
        """A loader that is not connected."""
        return self.maker(**options)()

    def prepared(self, task: LoadTask) -> LoadTask:
        """The task with its publication in S3, where COPY reads."""
        self.cluster.used.add(task.spec.table.split(".", 1)[0])
        publication = task.publication
        if publication.manifest_uri.startswith("s3://") or len(publication.files) != len(publication.local_paths):
            return task
        return replace(task, publication=self.published(publication))

    def published(self, publication: Publication) -> Publication:
        folder = publication.manifest_uri.removeprefix("memory:///").removesuffix("/manifest.json")
        files = []
        for number, (file, path) in enumerate(zip(publication.files, publication.local_paths, strict=True)):
            key = f"{folder}/region=__HIVE_DEFAULT_PARTITION__/part[{number}].parquet"
            if path.exists():
                self.store.upload(path, key)
            files.append(PublishedFile(self.store.uri(key), file.content_length, file.rows))
        uri = self.store.uri(f"{folder}/manifest.json")
        made = replace(publication, files=tuple(files), manifest_uri=uri)
        origin = Origin("run-1", "sales", "batch", (), (), datetime(2024, 5, 1, tzinfo=UTC))
        self.store.write(f"{folder}/manifest.json", encode(made, origin))
        return made

    def rows(self, sql: str) -> list[tuple]:
        with Connector(self.cluster.spec.redshift, Path()).opened("test") as session:
            return session.rows(sql)

    def execute(self, *statements: str) -> None:
        with Connector(self.cluster.spec.redshift, Path()).opened("test") as session:
            for statement in statements:
                session.change(statement)

    def stored(self, names: Sequence[str]) -> tuple[str, ...]:
        """Names of columns as Redshift keeps them."""
        return tuple(map(fold, names))

    @property
    def is_untouched(self) -> bool:
        found = self.rows("SELECT count(*) FROM pg_namespace WHERE nspname IN ('shop', 'cloud_etl')")
        return found == [(0,)]


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """The cluster of CLOUD_ETL_TEST_REDSHIFT_DSN, or the local server and its S3."""
    if DSN:
        return Cluster.of_dsn(DSN)
    server, moto = request.getfixturevalue("redshift_server"), request.getfixturevalue("moto_server")
    redshift = {
        "host": server.host, "port": server.port, "database": server.database, "user": server.user,
        "auth": {"password": server.password}, "tls": {"ca_file": str(server.certificate_path)},
    }  # fmt: skip
    return Cluster(redshift, moto.new_url(), moto.spec)


@pytest.fixture
def new_redshift(cluster: Cluster) -> Callable[[], RedshiftWarehouse]:
    """Makes the warehouse empty anew."""
    return lambda: RedshiftWarehouse(cluster)


@pytest.fixture(params=["folder", *(pytest.param(name, marks=pytest.mark.integration) for name in ("moto", "seaweed"))])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return ObjectStore.open("store", S3Spec(), tmp_path)
    server = request.getfixturevalue(f"{request.param}_server")
    return ObjectStore.open(server.new_url(), server.spec, tmp_path)
