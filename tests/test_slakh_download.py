"""Download and check Slakh, from a local server without network access."""

import hashlib
import http.server
import io
import json
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from camil.sources import slakh_download as slakh_archive

CONTENT = np.random.default_rng(0).bytes(3_000_000)


@pytest.fixture
def server():
    """Serve `server.files` by name from the offset of a request's Range; record all offsets."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            content = self.server.files[self.path.strip("/")]
            start = int((self.headers["Range"] or "bytes=0-")[6:-1])
            self.server.offsets.append(start)
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:][: self.server.most])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.offsets, server.most = {"a.tar.gz": CONTENT}, [], None
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def test_an_interrupted_download_is_resumed(server, tmp_path, capsys):
    server.most = 1_400_000
    with pytest.raises(ConnectionError, match="to resume the download"):
        slakh_archive.download(f"{server.url}/a.tar.gz", tmp_path / "a.tar.gz")
    assert not (tmp_path / "a.tar.gz").exists()
    there = (tmp_path / "a.tar.gz.partial").stat().st_size
    assert 0 < there <= 1_400_000
    server.most = None
    slakh_archive.download(f"{server.url}/a.tar.gz", tmp_path / "a.tar.gz")
    assert server.offsets == [0, there]
    assert (tmp_path / "a.tar.gz").read_bytes() == CONTENT
    assert "0.0 GB to download" in capsys.readouterr().out  # 3 MB: the size is printed


def test_a_complete_partial_file_is_not_downloaded_again(server, tmp_path):
    (tmp_path / "a.tar.gz.partial").write_bytes(CONTENT)
    slakh_archive.download(f"{server.url}/a.tar.gz", tmp_path / "a.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == CONTENT


def test_too_little_space_raises_before_the_download(server, tmp_path, monkeypatch):
    usage = slakh_archive.shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(slakh_archive.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ValueError, match=r"need 0\.0 GB"):
        slakh_archive.download(f"{server.url}/a.tar.gz", tmp_path / "a.tar.gz")
    assert not list(tmp_path.iterdir())


def test_missing_mirdata_raises_with_the_install_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mirdata", None)
    for work in (
        lambda: slakh_archive.fetch("baby", tmp_path / "babyslakh_16k"),
        lambda: slakh_archive.faults(tmp_path),
    ):
        with pytest.raises(ValueError, match=r"needs mirdata.*Reading Slakh does not need it"):
            work()


def test_a_folder_of_another_name_raises(tmp_path):
    with pytest.raises(ValueError, match="contains the folder babyslakh_16k"):
        slakh_archive.fetch("baby", tmp_path / "slakh")


FILES = {f"Track0000{i}/stems/S00.wav": bytes([i]) * 999 for i in range(1, 4)}


@pytest.fixture
def published(server, tmp_path, monkeypatch):
    """BabySlakh of three files, with an index for mirdata, on the server above."""
    slakh = pytest.importorskip("mirdata.datasets.slakh", reason="mirdata is an extra")
    packed = io.BytesIO()
    tracks = {}
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in FILES.items():
            member = tarfile.TarInfo(f"babyslakh_16k/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
            audio = [member.name, hashlib.md5(content).hexdigest()]
            tracks[f"{name[:10]}-S00"] = {"audio": audio}
    index = json.dumps({"version": "baby", "tracks": tracks, "multitracks": {}}).encode()
    server.files |= {"baby.tar.gz": packed.getvalue(), "index.json": index}
    for remote, name in (
        (slakh.REMOTES["baby"], "baby.tar.gz"),
        (slakh.INDEXES["baby"].remote, "index.json"),
    ):
        monkeypatch.setattr(remote, "url", f"{server.url}/{name}")
        monkeypatch.setattr(remote, "checksum", hashlib.md5(server.files[name]).hexdigest())
    indexes = tmp_path / "indexes"
    monkeypatch.setattr(slakh.INDEXES["baby"], "indexes_dir", str(indexes))
    monkeypatch.setattr(slakh.INDEXES["baby"].remote, "destination_dir", str(indexes))
    return server


def test_babyslakh_is_downloaded_and_has_no_faults(published, tmp_path, capsys):
    folder = tmp_path / "data" / "babyslakh_16k"
    slakh_archive.fetch("baby", folder)
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found == FILES
    assert [path.name for path in folder.parent.glob("*.tar.gz*")] == []
    requests = len(published.offsets)
    slakh_archive.fetch("baby", folder)
    assert len(published.offsets) == requests
    assert "is there already" in capsys.readouterr().out
    assert len(slakh_archive.faults(folder)) == 0


def test_missing_and_different_files_are_listed(published, tmp_path):
    folder = tmp_path / "mine"  # with any name
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(content)
    (folder / "Track00001/stems/S00.wav").write_bytes(b"damaged")
    (folder / "Track00002/stems/S00.wav").unlink()
    (folder / "Track00003/stems/S00.wav").unlink()
    Path(folder / "Track00003/stems").rmdir()
    Path(folder / "Track00003").rmdir()  # a missing track is not a fault
    assert slakh_archive.faults(folder).values.tolist() == [
        ["Track00001", "Track00001/stems/S00.wav", "not as published"],
        ["Track00002", "Track00002/stems/S00.wav", "missing"],
    ]


def test_an_archive_with_another_checksum_is_removed(published, tmp_path):
    published.files["baby.tar.gz"] = b"something else"
    with pytest.raises(ValueError, match="not as published"):
        slakh_archive.fetch("baby", tmp_path / "babyslakh_16k")
    assert not list(tmp_path.glob("*.tar.gz*"))
