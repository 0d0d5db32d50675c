"""The catalogue's version follows its scripts."""

from __future__ import annotations

import hashlib

from cloud_etl.local_aws.redshift.install import CATALOG_VERSION, catalog_script

DIGESTS = {"1": "2ecf15b1dbf3d8f50297eaee76542dd41de73e57846a506a1e40ea0be5065590"}


def test_a_change_of_the_scripts_is_a_new_version() -> None:
    assert hashlib.sha256(catalog_script().encode()).hexdigest() == DIGESTS[CATALOG_VERSION]
