"""Lines on stdout and stderr that no console draws."""

from __future__ import annotations

import typer

from cloud_etl.domain.printable import laid_out


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text in which names, messages of servers and files of others may stand: none of it steers the screen."""
    typer.echo(laid_out(text), err=err, nl=nl)
