import os
import tarfile
import zipfile

import pytest

from cloud_etl.errors import SourceError
from cloud_etl.submit.pack import Pack


@pytest.fixture
def files(tmp_path):
    """Three files; the second may be executed."""
    found = {}
    for name, text in {"b/two.sh": "#!/bin/sh\n", "a.py": "one = 1\n", "b/three.txt": ""}.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        found[name] = path
    found["b/two.sh"].chmod(0o755)
    return found


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_the_same_files_give_the_same_bytes_whatever_their_times_and_order(files, tmp_path, kind):
    Pack("p", files, kind).write(tmp_path / "first")
    os.utime(files["a.py"], (1, 1))
    Pack("p", dict(reversed(files.items())), kind).write(tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_a_tar_keeps_content_and_what_may_be_executed(files, tmp_path):
    Pack("p", files, "tar.gz").write(tmp_path / "p.tar.gz")
    with tarfile.open(tmp_path / "p.tar.gz") as tar:
        found = {entry.name: (entry.mode, entry.uid, entry.mtime) for entry in tar}
        tar.extractall(tmp_path / "out", filter="data")
    assert found == {"a.py": (0o644, 0, 0), "b/three.txt": (0o644, 0, 0), "b/two.sh": (0o755, 0, 0)}
    assert (tmp_path / "out/a.py").read_text() == "one = 1\n"


def test_a_zip_keeps_content(files, tmp_path):
    Pack("p", files, "zip").write(tmp_path / "p.zip")
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        assert archive.namelist() == ["a.py", "b/three.txt", "b/two.sh"]
        assert archive.read("a.py") == b"one = 1\n"
        assert archive.testzip() is None


def test_the_name_follows_content_path_and_mode_and_nothing_else(files, tmp_path):
    name = Pack("p", files, "zip").file_name
    assert name == f"p-{Pack('p', files, 'zip').digest}.zip"
    os.utime(files["a.py"], (1, 1))
    assert Pack("p", files, "zip").file_name == name
    assert Pack("p", {**files, "c.py": files["a.py"]}, "zip").file_name != name
    files["a.py"].chmod(0o700)
    other = Pack("p", files, "zip").file_name
    assert other != name
    files["a.py"].write_text("one = 2\n")
    assert Pack("p", files, "zip").file_name not in (name, other)


def test_a_file_that_is_gone_is_named_and_nothing_is_left(files, tmp_path):
    files["a.py"].unlink()
    with pytest.raises(SourceError, match=r"source/a\.py cannot be packed: it does not exist\. Nothing was sent"):
        Pack("p", files, "tar.gz").write(tmp_path / "out" / "p.tar.gz")
    assert list((tmp_path / "out").iterdir()) == []
