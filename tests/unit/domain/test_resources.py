from __future__ import annotations

from cloud_etl.domain.resources import MIB, Resources


def test_pipelines_side_by_side_use_no_more_together_than_one_alone() -> None:
    for memory in (512, 1024, 4096):
        whole = Resources(memory * MIB, 4)
        for jobs in range(1, whole.most_jobs + 1):
            each = whole.shared_by(jobs)
            assert each.cores >= 1
            assert (each.memory_bytes - 256 * MIB) * jobs <= whole.memory_bytes - 256 * MIB
        assert 1 <= whole.usual_jobs <= min(whole.most_jobs, 4)
    assert whole.shared_by(1) == whole
