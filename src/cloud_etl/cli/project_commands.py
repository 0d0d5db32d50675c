"""`cloud-etl init` and `cloud-etl demo`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from cloud_etl.cli.options import HERE
from cloud_etl.cli.output import echo
from cloud_etl.errors import SourceError, UsageError

# Tells a folder that the demo made, and may make anew, from one that holds somebody's work.
_MARK = ".cloud-etl-demo"


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to make; new or empty.", show_default="here")] = HERE,
    empty: Annotated[bool, typer.Option("--empty", help="One pipeline to fill in, and no data.")] = False,
) -> None:
    """Write a running project with data: three pipelines over dirty sales, customers and products."""
    from cloud_etl.cli.scaffold import EMPTY, write_example

    written = write_example(EMPTY if empty else "retail", folder)
    where = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    if empty:
        echo(f"Wrote {len(written)} files of an empty project to {folder.resolve()}. Now:")
        echo("  put CSV files into data/raw-data/my_data/, and their columns into pipelines/my_data.yaml")
        echo(f"  {where}cloud-etl validate      # checks the configuration, line by line")
        echo(f"  {where}cloud-etl run --all     # from raw files to tables, every row accounted for")
        return
    echo(f"Wrote {len(written)} files of a project with dirty data to {folder.resolve()}. Now:")
    echo(f"  {where}cloud-etl plan --all    # what a run would do")
    echo(f"  {where}cloud-etl run --all     # from raw files to tables, every row accounted for")


def demo(
    example: Annotated[str, typer.Argument(help="retail or flights.")] = "retail",
    folder: Annotated[
        Path | None, typer.Option("--folder", "-f", help="Where to make it.", show_default="cloud-etl-demo/EXAMPLE")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Neither progress nor log on the terminal.")] = False,
) -> int:
    """Run an example from raw files to warehouse tables: retail (dirty sales) or flights (real data of 2013)."""
    from cloud_etl.cli.preview import show_tables
    from cloud_etl.cli.session import Session
    from cloud_etl.pipeline.project import Project

    target = folder or Path("cloud-etl-demo") / example
    _make(example, target)
    project = Project.open(target)
    report = Session(project, quiet=quiet).run(None)
    if not report.exit_code and not quiet:
        show_tables(project, report)
    return report.exit_code


def _make(example: str, target: Path) -> None:
    from cloud_etl.cli.scaffold import write_example

    if (target / _MARK).exists():
        shutil.rmtree(target)
    elif target.exists() and any(target.iterdir()):
        raise UsageError(f"{target} holds files that no demo wrote. Nothing was changed. Name another --folder.")
    write_example(example, target)
    (target / _MARK).touch()
    prepare = target / "prepare.py"
    if prepare.exists():
        done = subprocess.run([sys.executable, prepare, target], capture_output=True, text=True, check=False)  # noqa: S603 - our own script
        if done.returncode:
            raise SourceError(f"the data of {example} could not be prepared: {done.stderr.strip()}")
