"""Run a command beside a Spark cluster of its own: `python -m benchmarks.cluster WORKERS COMMAND ...`.

The master and its workers, one core and 2 GB each, run on this machine below this process: who measures this process
measures all of them. The command finds the master's address in SPARK_MASTER, and in its words for `{master}`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

HOST = "127.0.0.1"
_START_SECONDS = 60


def main() -> int:
    """Start the cluster, run the command to its end, stop the cluster; gives the command's exit code."""
    workers, command = int(sys.argv[1]), sys.argv[2:]
    with ExitStack() as stack:
        port, ui = _free_port(), _free_port()
        master = f"spark://{HOST}:{port}"
        _daemon(stack, "master.Master", "--host", HOST, "--port", str(port), "--webui-port", str(ui))
        _wait_for(port)
        for _ in range(workers):
            options = ("--host", HOST, "--webui-port", str(_free_port()), "--cores", "1", "--memory", "2g")
            _daemon(stack, "worker.Worker", *options, master)
        words = [word.replace("{master}", master) for word in command]
        return subprocess.run(words, env={**os.environ, "SPARK_MASTER": master}, check=False).returncode


def _daemon(stack: ExitStack, name: str, *arguments: str) -> None:
    import pyspark

    home = Path(pyspark.__file__).parent
    environment = {
        **os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": HOST, "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_WORKER_DIR": str(Path.cwd() / "spark-work"), "PYSPARK_PYTHON": sys.executable,
    }  # fmt: skip
    process = subprocess.Popen(
        [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}", *arguments],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    stack.callback(process.wait)
    stack.callback(process.send_signal, signal.SIGTERM)


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends:
        with closing(socket.socket()) as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError(f"no Spark master on port {port} after {_START_SECONDS} s")


if __name__ == "__main__":
    sys.exit(main())
