"""The example projects that `cloud-etl init` and `cloud-etl demo` write."""

from cloud_etl.cli.scaffold.write import EXAMPLES, write_example

__all__ = ["EXAMPLES", "write_example"]
