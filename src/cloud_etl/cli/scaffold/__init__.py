"""The example projects that `cloud-etl init` and `cloud-etl demo` write."""

from cloud_etl.cli.scaffold.write import EMPTY, EXAMPLES, write_example

__all__ = ["EMPTY", "EXAMPLES", "write_example"]
