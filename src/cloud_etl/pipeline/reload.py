"""Whether the files of a source can take the place of all that a pipeline has loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_etl.errors import UsageError

if TYPE_CHECKING:
    from cloud_etl.domain.files import LoadedFiles
    from cloud_etl.domain.run import Listing
    from cloud_etl.domain.spec import PipelineSpec

_NAMED = 5


def require_reloadable(spec: PipelineSpec, loaded: LoadedFiles, listing: Listing) -> None:
    """Stop before anything is read, where a reload could not leave the tables right.

    A table does not tell which of its rows a file brought. So a reload brings all files again, and they take the place
    of what is there; where each batch is the whole table anyhow, some files will do.

    Raises:
        UsageError: says which files are missing, or which table cannot be made anew.
    """
    modes = {output.load.mode if output.load else "append" for output in spec.outputs}
    if "scd2" in modes:
        raise UsageError(
            f"{spec.pipeline} cannot be reloaded: the versions of an scd2 table begin when they were loaded, and would "
            "all begin today. Nothing was read. Put corrected files into the source: they open new versions."
        )
    beyond = loaded.beyond(listing.files) if modes != {"replace"} else ()
    if beyond:
        more = f" and {len(beyond) - _NAMED} more" if len(beyond) > _NAMED else ""
        raise UsageError(
            f"{spec.pipeline} can be reloaded as a whole only, since its tables do not tell the rows of one file from "
            f"those of another. Missing: {', '.join(beyond[:_NAMED])}{more}: not chosen, changed since, or no longer "
            "in the source. Nothing was read. Leave --files out, and put the files back as they were."
        )
