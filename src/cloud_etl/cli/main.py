"""The command `cloud-etl`: listens for signals before anything else is imported, which takes a second."""

from __future__ import annotations

import sys
from typing import NoReturn

from cloud_etl import interrupts


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    with interrupts.handled():
        from cloud_etl.cli.app import run_command

        code = run_command()
        if interrupts.requested():
            # An engine that did not stop in time would keep the process from its end.
            interrupts.leave(code)
    sys.exit(code)
