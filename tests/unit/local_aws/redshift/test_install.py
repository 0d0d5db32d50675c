"""The catalogue's version follows its scripts."""

from __future__ import annotations

import hashlib

from cloud_etl.local_aws.redshift.install import CATALOG_VERSION, catalog_script

DIGESTS = {"2": "469a1f2dc9ca389022499229db33ecab52b3727ae34ac4fa4cff2ff8e811b4b8"}


def test_a_change_of_the_scripts_is_a_new_version() -> None:
    assert hashlib.sha256(catalog_script().encode()).hexdigest() == DIGESTS[CATALOG_VERSION]
