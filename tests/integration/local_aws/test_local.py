"""`cloud-etl local`: servers in the background that survive kills, keep data and ports, and are known again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
import redshift_connector
from botocore.exceptions import ClientError

from cloud_etl.errors import TargetError, UsageError
from cloud_etl.local_aws import environment, resources
from cloud_etl.local_aws.stack import Addresses, LocalAws

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("local_aws")]
BUCKET = "kept"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    made = LocalAws(tmp_path_factory.mktemp("local") / "aws")
    yield made
    made.down()


@pytest.fixture(scope="module")
def addresses(stack: LocalAws) -> Addresses:
    found = stack.up()
    resources.make_resources(found, "shop", BUCKET)
    s3(found).put_object(Bucket=BUCKET, Key="rows/1.csv", Body=b"1,a\n2,b\n")
    query(found, "create table kept (id int, name varchar(5))")
    query(found, f"copy kept from 's3://{BUCKET}/rows/' iam_role '{resources.ROLE_ARN}' csv")
    return found


def s3(addresses: Addresses):
    return boto3.client(
        "s3", endpoint_url=addresses.s3_endpoint, region_name="us-east-1",
        aws_access_key_id=addresses.access_key_id, aws_secret_access_key=addresses.secret_access_key,
    )  # fmt: skip


def query(addresses: Addresses, sql: str) -> list[tuple[object, ...]]:
    with redshift_connector.connect(
        host="127.0.0.1", port=addresses.redshift_port, database=addresses.redshift_database,
        user=addresses.redshift_user, password=addresses.redshift_password, ssl=False,
    ) as connection:  # fmt: skip
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []


def check_kept(addresses: Addresses) -> None:
    assert query(addresses, "select id, name from kept order by id") == [(1, "a"), (2, "b")]
    # Ports may have changed since.
    assert s3(addresses).get_object(Bucket=BUCKET, Key="rows/1.csv")["Body"].read() == b"1,a\n2,b\n"


def pids(stack: LocalAws) -> dict[str, int]:
    return {part.name: part.pid for part in stack.status()}


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_everything_runs_and_answers_after_up(stack, addresses) -> None:
    assert [(part.name, part.health) for part in stack.status()] == [
        ("s3", "running"), ("aws", "running"), ("redshift", "running"),
    ]  # fmt: skip
    check_kept(addresses)


@pytest.mark.parametrize(
    ("key", "secret", "text"),
    [
        (
            "none",
            "x",
            "The AWS Access Key Id you provided does not exist in our records.,Status 403,Error InvalidAccessKeyId",
        ),
        (None, "wrong", "does not match the signature you provided.,Status 403,Error SignatureDoesNotMatch"),
    ],
)
def test_keys_that_s3_refuses_are_refused_by_copy(addresses, key, secret, text) -> None:
    keys = f"access_key_id '{key or addresses.access_key_id}' secret_access_key '{secret}'"
    with pytest.raises(redshift_connector.error.ProgrammingError) as caught:
        query(addresses, f"copy kept from 's3://{BUCKET}/rows/' {keys} csv")
    assert text in caught.value.args[0]["M"]
    check_kept(addresses)


def test_up_twice_changes_nothing(stack, addresses) -> None:
    before = pids(stack)
    assert stack.up() == addresses
    resources.make_resources(addresses, "shop", BUCKET)
    assert pids(stack) == before
    check_kept(addresses)


def test_the_secret_and_the_role_are_there(addresses) -> None:
    settings = {
        "endpoint_url": addresses.aws_endpoint, "region_name": "us-east-1",
        "aws_access_key_id": addresses.access_key_id, "aws_secret_access_key": addresses.secret_access_key,
    }  # fmt: skip
    secret = boto3.client("secretsmanager", **settings).get_secret_value(SecretId="shop/local-aws/redshift")
    assert json.loads(secret["SecretString"])["password"] == addresses.redshift_password
    assert boto3.client("iam", **settings).get_role(RoleName=resources.ROLE)["Role"]["Arn"] == resources.ROLE_ARN


@pytest.mark.parametrize("name", ["s3", "aws", "redshift"])
def test_a_killed_server_is_noticed_and_mended_where_it_was(stack, addresses, name) -> None:
    before = pids(stack)
    os.kill(before[name], signal.SIGKILL)
    health = lambda: {part.name: part.health for part in stack.status()}[name]  # noqa: E731 - used twice, here
    assert eventually(lambda: health() == "gone")
    assert stack.up() == addresses
    after = pids(stack)
    assert {part for part in after if after[part] != before[part]} == {name}
    assert health() == "running"
    check_kept(addresses)


def test_data_and_ports_survive_down_and_up(stack, addresses) -> None:
    before = pids(stack)
    assert stack.down() == ("redshift", "aws", "s3")
    assert {part.health for part in stack.status()} == {"stopped"}
    # One that ended has no command line any more, collected or not.
    assert not [pid for pid in before.values() if (path := Path(f"/proc/{pid}/cmdline")).exists() and path.read_bytes()]
    assert stack.down() == ()
    assert stack.up() == addresses
    check_kept(addresses)


def bind_in_time(other: socket.socket, port: int) -> None:
    """A process that was killed is gone before its sockets are."""
    deadline = time.monotonic() + 20
    while True:
        try:
            other.bind(("127.0.0.1", port))
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_a_port_that_was_taken_meanwhile_is_replaced_for_all(stack, addresses) -> None:
    stack.down()
    port = int(addresses.s3_endpoint.rpartition(":")[2])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bind_in_time(other, port)
        other.listen()
        moved = stack.up()
    assert moved.s3_endpoint != addresses.s3_endpoint
    assert moved.redshift_port == addresses.redshift_port
    check_kept(moved)
    # COPY looks for S3 where it is now.
    query(moved, "create temp table again (id int, name varchar(5))")
    query(moved, f"copy kept from 's3://{BUCKET}/rows/' iam_role default csv noload")


def test_another_process_with_the_same_id_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        part = {"process": {"pid": other.pid, "started": "earlier"}, "command": ["x"], "ports": {"port": 1}}
        state = {"version": 1, "s3": "moto", "access_key_id": "a", "secret_access_key": "b", "parts": {"aws": part}}
        (tmp_path / "state.json").write_text(json.dumps(state))
        assert LocalAws(tmp_path).status()[0].health == "gone"
        assert LocalAws(tmp_path).down() == ()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_moto_alone_keeps_objects_in_memory(tmp_path: Path) -> None:
    stack = LocalAws(tmp_path / "aws")
    try:
        addresses = stack.up("moto")
        assert addresses.s3_endpoint == addresses.aws_endpoint
        assert [part.name for part in stack.status()] == ["aws", "redshift"]
        resources.make_resources(addresses, "shop", BUCKET)
        assert s3(addresses).list_buckets()["Buckets"][0]["Name"] == BUCKET
        with pytest.raises(UsageError, match=r"lie in moto, not in seaweed\. Nothing was started"):
            stack.up("seaweed")
    finally:
        stack.down()


def test_a_server_that_does_not_start_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    folder = tmp_path / "aws"
    (folder / "redshift").mkdir(parents=True)
    (folder / "redshift" / "pgdata").write_text("in the way")
    stack = LocalAws(folder)
    try:
        with pytest.raises(TargetError, match=r"the local redshift server did not start(.|\n)*redshift.log ends"):
            stack.up("moto")
        assert {part.name: part.health for part in stack.status()} == {"aws": "running", "redshift": "gone"}
    finally:
        stack.down()


def test_a_missing_package_is_named_with_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud_etl.local_aws.parts.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r'needs moto, cryptography(.|\n)*pip install "cloud-etl\[local\]"'):
        LocalAws(tmp_path).up()
    assert LocalAws(tmp_path).status() == ()


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"version": 99, "parts": {}}')
    with pytest.raises(TargetError, match=r"state.json is damaged, or was written by another version"):
        LocalAws(tmp_path).up()


def test_the_server_with_the_secrets_answers_nobody_without_the_key(stack, addresses) -> None:
    for path in ("/", "/moto-api/", "/moto-api/data.json"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(addresses.aws_endpoint + path)
    stranger = boto3.client(
        "secretsmanager", endpoint_url=addresses.aws_endpoint, region_name="us-east-1",
        aws_access_key_id=addresses.access_key_id, aws_secret_access_key="guessed",
    )  # fmt: skip
    with pytest.raises(ClientError, match="answers those alone who sign"):
        stranger.list_secrets()


@pytest.mark.parametrize("kind", ["link", "owner", "link inside"])
def test_a_folder_that_is_not_this_users_is_refused_and_left_alone(tmp_path: Path, kind: str) -> None:
    if kind == "owner" and os.geteuid() != 0:
        pytest.skip("only root can make a folder of another user")
    victim, folder = tmp_path / "victim", tmp_path / "aws"
    victim.mkdir()
    if kind == "link":
        folder.symlink_to(victim)
    else:
        folder.mkdir()
    if kind == "owner":
        os.chown(folder, 65534, 65534)
    if kind == "link inside":
        (folder / "s3-secret").symlink_to(victim / "file")
    before = sorted(folder.iterdir())
    for act in (LocalAws(folder).up, LocalAws(folder).down, LocalAws(folder).status):
        with pytest.raises(UsageError, match=r"is a link, or belongs to user \d+\. Nothing was read, written"):
            act()
    assert sorted(folder.iterdir()) == before
    assert list(victim.iterdir()) == []


def test_credentials_are_for_the_owner_alone(stack, addresses) -> None:
    written = stack.folder / "environment.yaml"
    environment.write_environment(written, "local-aws", environment.environment_of(addresses, BUCKET))
    private = [
        written,
        stack.folder / "state.json",
        stack.folder / "s3/identities.json",
        stack.folder / "logs/redshift.log",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert stat.S_IMODE(stack.folder.stat().st_mode) == 0o700


_ASK = """
import json, socket, ssl, struct, sys
ports, sockets = json.loads(sys.argv[1])
loose = ssl._create_unverified_context()
paths = ("/", "/dir/status", "/dir/assign", "/dir/lookup?volumeId=1", "/cluster/status", "/vol/status", "/status",
         "/1,01", "/ui/index.html", "/buckets/?limit=9", "/buckets/kept/rows/1.csv", "/kept/rows/1.csv",
         "/debug/pprof/", "/metrics", "/stats/health", "/moto-api/data.json", "/?Action=ListUsers", "/kept?list-type=2")
preface = b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes.fromhex("000000040000000000")
startup = b"user\\0awsuser\\0database\\0dev\\0\\0"
login = struct.pack("!ii", len(startup) + 8, 196608) + startup
asked = [*(f"{verb} {path} HTTP/1.0\\r\\nHost: x\\r\\nContent-Length: 0\\r\\n\\r\\n".encode() for path in paths
           for verb in ("GET", "PUT", "POST", "DELETE")), preface, login]

def answer(port, data, tls):
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as client:
            client.settimeout(2)
            if tls:
                client = loose.wrap_socket(client)
            client.sendall(data)
            return client.recv(4000)
    except OSError:
        return b""

def serves(said):
    if said.startswith(b"HTTP/"):
        # S3 says that it is there, and no more.
        nothing = said.endswith(b"\\r\\n\\r\\n") and b"Content-Length: 0\\r\\n" in said
        return not nothing and said.split()[1] not in (b"400", b"401", b"403", b"404", b"405", b"501")
    # A frame of HTTP/2 from a server that goes on, or a login without a password.
    return said[3:4] == b"\\x04" and said[:3] != b"\\x15\\x03\\x03" or said[:1] == b"R" and said[5:9] == b"\\0\\0\\0\\0"

found = [[port, tls, data.decode("latin-1")[:40], said.decode("latin-1")[:200]]
         for port in ports for tls in (False, True) for data in asked if serves(said := answer(port, data, tls))]
for path in sockets:
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path.replace("@", "\\0", 1) if path.startswith("@") else path)
            found.append(path)
    except OSError:
        pass
print(json.dumps(found))
"""


def _of_servers(pids: set[int]) -> tuple[list[int], list[str]]:
    """Ports and Unix sockets on which processes, and those that they started, listen."""
    for entry in sorted(Path("/proc").glob("[0-9]*"), key=lambda entry: int(entry.name)):
        with contextlib.suppress(OSError):
            session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
            if session in pids or int((entry / "stat").read_text().rpartition(")")[2].split()[1]) in pids:
                pids.add(int(entry.name))
    inodes = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    inodes.add(str(entry.readlink()))
    ports, sockets = set(), set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            row = line.split()
            if row[3] == "0A" and f"socket:[{row[9]}]" in inodes:
                ports.add(int(row[1].rpartition(":")[2], 16))
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        row = line.split()
        # Those that accept connections have this flag.
        if len(row) > 7 and row[3] == "00010000" and f"socket:[{row[6]}]" in inodes:
            sockets.add(row[7])
    return sorted(ports), sorted(sockets)


@pytest.mark.skipif(os.geteuid() != 0 or not sys.platform.startswith("linux"), reason="asks as another user")
def test_another_user_gets_nothing_from_any_port_or_socket(stack, addresses) -> None:
    ports, sockets = _of_servers({one.pid for one in stack.status()})
    assert len(ports) >= 10, ports
    assert any("seaweedfs" in path for path in sockets)
    assert any("PGSQL" in path for path in sockets)
    found = subprocess.run(
        ["/usr/bin/env", "python3", "-c", _ASK, json.dumps([ports, sockets])],
        user=65534, group=65534, extra_groups=[], capture_output=True, text=True, check=True, cwd="/", timeout=120,
    )  # fmt: skip
    assert json.loads(found.stdout) == []
    assert s3(stack.up()).get_object(Bucket=BUCKET, Key="rows/1.csv")["Body"].read() == b"1,a\n2,b\n"
