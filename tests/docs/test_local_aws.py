"""The commands of the page about the local AWS, as they stand, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/local-aws.md").read_text()

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("local_aws")]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_commands_and_the_example_of_the_page_run(tmp_path: Path) -> None:
    pytest.importorskip("cloud_etl.load.redshift")
    (commands,) = blocks("sh")
    (example,) = blocks("python")
    (tmp_path / "example.py").write_text(example)
    *first, last = commands.strip().splitlines()
    assert last == "cloud-etl local down"
    script = "\n".join(["set -eu", *first, 'eval "$(cloud-etl local up)"', "python ../example.py", last])
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    try:
        done = subprocess.run(
            ["sh", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300
        )
    finally:
        subprocess.run(
            [sys.executable, "-m", "cloud_etl.cli", "local", "down"], cwd=tmp_path / "my-project", env=environ
        )
    assert done.returncode == 0, done.stderr
    assert "Every row is accounted for" in done.stdout
    assert done.stdout.count("running  127.0.0.1:") == 3
    assert "[0]" in done.stdout
    assert "Stopped redshift, aws, s3." in done.stdout
