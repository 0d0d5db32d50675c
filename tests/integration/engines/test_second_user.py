"""Another user of this machine, against every port of a run."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from cloud_etl.domain.environment import EngineSpec
from cloud_etl.engines.sail import Engine

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ports of a process are read from /proc"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user"),
]
NOBODY = 65534
ATTACK = """
import socket, sys
answers = []
for port in sys.argv[1:]:
    try:
        with socket.create_connection(("127.0.0.1", int(port)), 1) as client:
            client.settimeout(2)
            client.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes.fromhex("000000040000000000"))
            if client.recv(100):
                answers.append(port)
    except OSError:
        pass
print(",".join(answers))
"""


def listening() -> set[int]:
    """The ports that this process listens on."""
    inodes = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            inodes.add(str(entry.readlink()))
        except OSError:
            continue
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
            row = line.split()
            if row[3] == "0A" and f"socket:[{row[9]}]" in inodes:
                ports.add(int(row[1].rpartition(":")[2], 16))
    return ports


def test_another_user_reaches_no_port_of_the_sail_engine(tmp_path: Path) -> None:
    before = listening()
    engine = Engine(EngineSpec(memory="512MB"), 1, tmp_path)
    try:
        session = engine.start()
        opened = listening() - before
        assert opened, "the engine has a port, or this test looks at nothing"
        found = subprocess.run(
            ["/usr/bin/env", "python3", "-c", ATTACK, *map(str, opened)],
            user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, check=True, cwd="/", timeout=60,
        )  # fmt: skip
        assert found.stdout.strip() == ""
        assert session.range(3).count() == 3
    finally:
        engine.stop()


def test_the_driver_of_local_spark_unpacks_nothing_of_a_stranger(tmp_path: Path) -> None:
    pytest.importorskip("py4j")
    from cloud_etl.engines.spark import Engine as SparkEngine

    engine = SparkEngine(EngineSpec(name="spark", memory="1GB"), 1, tmp_path)
    try:
        session = engine.start()
        port = int(str(session.conf.get("spark.driver.port")))
        # An RPC for an endpoint, in whose place a Java object stands; Spark answers by what it made of it.
        body = b"\0\0" + struct.pack(">H", 3) + b"any" + bytes.fromhex("aced0005740003616263")
        packet = b"\x03" + struct.pack(">qi", 1, len(body)) + body
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(struct.pack(">q", len(packet) + 8) + packet)
            answer = client.recv(4096)
        assert b"Expected SaslMessage" in answer
        assert session.range(3).count() == 3
    finally:
        engine.stop()
