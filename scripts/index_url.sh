#!/bin/sh
# Print the package index that pip uses: its environment variable, its configuration, else its built-in default.
set -eu
if [ -n "${PIP_INDEX_URL:-}" ]; then
    echo "$PIP_INDEX_URL"
else
    "$PYTHON" -m pip config get global.index-url 2>/dev/null ||
        "$PYTHON" -c "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
fi
