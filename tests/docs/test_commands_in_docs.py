"""The shell commands of README and tutorial run as they stand, in one shell, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("page", "beginning"), [("README.md", "cloud-etl init"), ("docs/tutorial.md", "")])
def test_the_commands_of_a_page_run(page: str, beginning: str, tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    script = "set -eu\n" + "\n".join(block for block in blocks if block.startswith(beginning))
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "cloud-etl" in script
    assert "Every row is accounted for" in done.stdout
