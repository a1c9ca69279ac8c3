"""Download Slakh2100 by name and check its files.

mirdata (Bittner et al., 2019) provides addresses, checksums, unpacking and validation. It is the
optional dependency ``slakh``, because it is large and nothing else needs it. Only the download
itself is done here: mirdata would start the 100 GB from the beginning after an interruption.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from filelock import FileLock, Timeout
from tqdm import tqdm

# The versions by mirdata's names, with the folder in each archive.
FOLDERS = {"2100-redux": "slakh2100_flac_redux", "baby": "babyslakh_16k"}
_SPLITS = ("train", "validation", "test", "omitted")


def fetch(version: str, folder: Path | str) -> None:
    """Print the size of a version of Slakh, download and unpack it.

    An existing folder is not changed. An interrupted download is resumed. The archive is compared
    with its published checksum and removed after unpacking.

    Args:
        version: "2100-redux" or "baby".
        folder: folder of the data set; must end with the name of the archive's folder.

    Raises:
        ValueError: if the folder has another name, the disk has too little space, mirdata is
            missing, the archive differs from the published one, or another process is downloading
            it.
        ConnectionError: if the archive cannot be reached.
    """
    folder = Path(folder)
    if folder.name != FOLDERS[version]:
        raise ValueError(
            f"The archive of {version} contains the folder {FOLDERS[version]}: source must end "
            f"with that name, for example {folder / FOLDERS[version]}."
        )
    dataset = _dataset(version, folder.parent)
    remote = dataset.remotes[version]
    archive = folder.parent / remote.filename
    if folder.is_dir() and not archive.exists():
        print(f"{folder} exists. To download it again, remove it first.")
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder.parent / f".{folder.name}.lock", timeout=0):
            if not archive.exists():
                download(remote.url, archive)
            print(f"Comparing {archive.name} with its checksum, then unpacking it")
            _unpack(dataset, version, archive)
    except Timeout:
        raise ValueError(
            f"{folder} is being downloaded by another process. Wait until it ends."
        ) from None


def _unpack(dataset, version: str, archive: Path) -> None:
    try:
        dataset.download(partial_download=[version], cleanup=True)
    except OSError as error:
        if "checksum" not in str(error):
            raise
        archive.unlink(missing_ok=True)
        raise ValueError(
            f"{archive.name} differs from the published archive: it was damaged in transfer and "
            "has been removed. Run this again."
        ) from error


def download(url: str, path: Path) -> None:
    """Download a file, or the rest of it; it receives its name once it is complete.

    Raises:
        ValueError: if the disk has no space for it and for its unpacked content.
        ConnectionError: if it cannot be reached, or the connection breaks.
    """
    import requests  # comes with mirdata

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    done = partial.stat().st_size if partial.exists() else 0
    try:
        ask = {"Range": f"bytes={done}-"} if done else {}
        with requests.get(url, headers=ask, stream=True, timeout=60) as answer:
            if answer.status_code != 416:  # 416: the partial file is complete
                answer.raise_for_status()
                done = done if answer.status_code == 206 else 0
                total = done + int(answer.headers.get("Content-Length", 0))
                _check_space(path, total, done)
                _append(answer, partial, done, total)
    except requests.RequestException as error:
        raise ConnectionError(
            f"{url} cannot be downloaded ({error}). Run this again to resume the download."
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
        raise ConnectionError(
            f"{partial.name}: the connection broke. Run this again to resume the download."
        )


def _check_space(path: Path, total: int, done: int) -> None:
    """Print the size, and check that there is space for the archive and its content."""
    gigabytes, needed = total / 1e9, 2.1 * total - done
    free = shutil.disk_usage(path.parent).free
    print(f"{path.name}: {gigabytes:.1f} GB to download, {done / 1e9:.1f} GB of it are complete")
    if free < needed:
        raise ValueError(
            f"{path.name} and its unpacked content need {needed / 1e9:.1f} GB; {path.parent} has "
            f"{free / 1e9:.1f} GB left."
        )


def faults(folder: Path | str) -> pd.DataFrame:
    """Find files that are missing or differ from the published ones.

    If the folder holds a part of the data set, only its tracks are checked.

    Returns:
        One row per file: ``track``, ``file``, ``fault``.

    Raises:
        ValueError: if mirdata is missing.
    """
    folder = Path(folder).resolve()
    version = "2100-redux" if any((folder / split).is_dir() for split in _SPLITS) else "baby"
    with TemporaryDirectory() as home:  # mirdata requires its own folder name
        (Path(home) / FOLDERS[version]).symlink_to(folder)
        dataset = _dataset(version, home)
        dataset.download(partial_download=["index"])
        missing, differing = (found["tracks"] for found in dataset.validate(verbose=False))
        rows = {  # each stem lists the metadata of its track
            (stem.partition("-")[0], file.removeprefix(f"{home}/{FOLDERS[version]}/"), fault)
            for found, fault in ((missing, "missing"), (differing, "not as published"))
            for stem, files in found.items()
            for file in files
        }
    tracks = [*folder.glob("Track[0-9]*"), *folder.glob("*/Track[0-9]*")]
    checked = {path.name for path in tracks}
    rows = sorted(row for row in rows if row[0] in checked)
    print(f"{len(checked)} tracks compared with the published ones: {len(rows)} files with a fault")
    return pd.DataFrame(rows, columns=["track", "file", "fault"])


def _dataset(version: str, home: Path | str):
    try:
        import mirdata
    except ImportError:
        raise ValueError(
            "Downloading and checking Slakh needs mirdata: uv pip install -c constraints.txt "
            "-e '.[slakh]'. Reading Slakh does not need it."
        ) from None
    return mirdata.initialize("slakh", data_home=str(home), version=version)
