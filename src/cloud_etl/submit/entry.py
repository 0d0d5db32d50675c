"""What spark-submit starts: puts the unpacked archives on the path, then runs the job.

It is sent as it stands, so that nothing but the standard library is needed until the path is set.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Spark unpacks the archives into the working directory of the driver.
ENVIRONMENT = "environment"


def main() -> None:
    """Run the job of the command line and end with its exit code."""
    packages = Path(ENVIRONMENT).absolute()
    if packages.is_dir():
        # First, since an image may have older versions of the same packages.
        sys.path.insert(0, str(packages))
    from cloud_etl.submit.job import run_job

    sys.exit(run_job(sys.argv[1:]))


if __name__ == "__main__":
    main()
