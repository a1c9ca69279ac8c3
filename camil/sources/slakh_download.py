"""Slakh2100 from where it is published: fetched when asked for by name, and checked file by file.

What is published, where, and with which checksums is mirdata's to know (Bittner et al., 2019). It
is an extra, `slakh`, as it is heavy and nothing else needs it.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from tqdm import tqdm

from camil.workbook.lock import locked

# What mirdata calls the versions, and the folder that each one's archive holds.
FOLDERS = {"2100-redux": "slakh2100_flac_redux", "baby": "babyslakh_16k"}
_SPLITS = ("train", "validation", "test", "omitted")


def fetch(version: str, folder: Path | str) -> None:
    """Download and unpack a version of Slakh, once its size is told; what is there stays.

    A download that was interrupted goes on where it stopped. The archive is compared with its
    published checksum and removed once it is unpacked.

    Args:
        version: "2100-redux" or "baby".
        folder: where the data set will be; must end with the name of the archive's folder.

    Raises:
        ValueError: if the folder has another name, the disk too little room, mirdata is missing or
            the archive is not what was published.
        ConnectionError: if the archive cannot be reached.
    """
    folder = Path(folder)
    if folder.name != FOLDERS[version]:
        raise ValueError(
            f"The archive of {version} holds the folder {FOLDERS[version]}: let source end with "
            f"that name, such as {folder / FOLDERS[version]}."
        )
    dataset = _dataset(version, folder.parent)
    remote = dataset.remotes[version]
    archive = folder.parent / remote.filename
    if folder.is_dir() and not archive.exists():
        print(f"{folder} is there already. To fetch it again, remove it first.")
        return
    with locked(folder.parent / f".{folder.name}.lock"):
        if not archive.exists():
            download(remote.url, archive)
        print(f"Comparing {archive.name} with its checksum, then unpacking it")
        try:
            dataset.download(partial_download=[version], cleanup=True)
        except OSError as error:
            if "checksum" not in str(error):
                raise
            archive.unlink(missing_ok=True)
            raise ValueError(
                f"{archive.name} is not as published: it was damaged on its way and is removed. "
                "Run this again."
            ) from error


def download(url: str, path: Path) -> None:
    """Fetch a file, or the rest of it; under its name only once it is whole.

    Raises:
        ValueError: if the disk has no room for it and for what is unpacked of it.
        ConnectionError: if it cannot be reached, or the connection breaks.
    """
    import requests  # comes with mirdata

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    done = partial.stat().st_size if partial.exists() else 0
    try:
        ask = {"Range": f"bytes={done}-"} if done else {}
        with requests.get(url, headers=ask, stream=True, timeout=60) as answer:
            if answer.status_code != 416:  # 416: there is no more than we have
                answer.raise_for_status()
                done = done if answer.status_code == 206 else 0
                total = done + int(answer.headers.get("Content-Length", 0))
                _make_room(path, total, done)
                _append(answer, partial, done, total)
    except requests.RequestException as error:
        raise ConnectionError(
            f"{url} cannot be fetched ({error}). What has come is kept: run this again to go on."
        ) from error
    partial.rename(path)


def _append(answer, partial: Path, done: int, total: int) -> None:
    with (
        open(partial, "ab" if done else "wb") as file,
        tqdm(total=total, initial=done, unit="B", unit_scale=True, mininterval=5) as bar,
    ):
        for piece in answer.iter_content(1 << 20):
            file.write(piece)
            bar.update(len(piece))
    if total and partial.stat().st_size < total:
        raise ConnectionError(f"{partial.name} broke off. Run this again to go on.")


def _make_room(path: Path, total: int, done: int) -> None:
    """Tell the size, and see that archive and content find room together."""
    gigabytes, needed = total / 1e9, 2.1 * total - done
    free = shutil.disk_usage(path.parent).free
    print(f"{path.name}: {gigabytes:.1f} GB to download, {done / 1e9:.1f} GB of it are there")
    if free < needed:
        raise ValueError(
            f"{path.name} and what is unpacked of it need {needed / 1e9:.1f} GB; {path.parent} "
            f"has {free / 1e9:.1f} GB left."
        )


def faults(folder: Path | str) -> pd.DataFrame:
    """Files that are missing or not as published, a row each: `track`, `file`, `fault`.

    A folder that holds a part of the data set is compared in what it has.

    Raises:
        ValueError: if mirdata is missing.
    """
    folder = Path(folder).resolve()
    version = "2100-redux" if any((folder / split).is_dir() for split in _SPLITS) else "baby"
    with TemporaryDirectory() as home:  # mirdata wants the folder under its own name
        (Path(home) / FOLDERS[version]).symlink_to(folder)
        dataset = _dataset(version, home)
        dataset.download(partial_download=["index"])
        missing, differing = (found["tracks"] for found in dataset.validate(verbose=False))
        rows = {  # a track's metadata stand with each of its stems
            (stem.partition("-")[0], file.removeprefix(f"{home}/{FOLDERS[version]}/"), fault)
            for found, fault in ((missing, "missing"), (differing, "not as published"))
            for stem, files in found.items()
            for file in files
        }
    tracks = [*folder.glob("Track[0-9]*"), *folder.glob("*/Track[0-9]*")]
    here = {path.name for path in tracks}
    rows = sorted(row for row in rows if row[0] in here)
    print(f"{len(here)} tracks compared with what is published: {len(rows)} files differ or lack")
    return pd.DataFrame(rows, columns=["track", "file", "fault"])


def _dataset(version: str, home: Path | str):
    try:
        import mirdata
    except ImportError:
        raise ValueError(
            "To fetch or to check Slakh, mirdata is needed: uv pip install -c constraints.txt "
            "-e '.[slakh]'. Reading Slakh does not need it."
        ) from None
    return mirdata.initialize("slakh", data_home=str(home), version=version)
