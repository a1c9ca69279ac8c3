"""Demonstration songs, composed by `camil.composer` and written as MIDI files."""

import csv
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from camil import composer
from camil.sources.midi_folder import MidiFolder

MANIFEST = "manifest.csv"
RECIPE = "composed.txt"  # number of songs, seed and version of the composer
COLUMNS = ("path", "group", "licence", "style", "key", "tempo", "metre")
LICENCE = "MIT (composed by this program)"


class Demo(MidiFolder):
    """Songs composed from a seed into a folder of MIDI files, then read like any other folder.

    The files ``song-001.mid`` ... and their ``manifest.csv`` (tempo in quarter notes per minute)
    are written unless they exist; the same seed gives the same bytes.

    Args:
        folder: folder of the MIDI files.
        songs: number of songs.
        seed: random seed of the composer and of the choice of soundfonts.
        soundfonts, sample_rate, max_segments_per_track, audio, whole_tracks, instruments: see
            `MidiFolder`.

    Raises:
        ValueError: if `songs` is not positive, or the folder holds other files.
    """

    name = "demo"
    reads_folder = False

    def __init__(
        self,
        folder: str | PathLike,
        songs: int = 240,
        seed: int = 0,
        soundfonts: Sequence[str | PathLike] = (),
        sample_rate: int = 24000,
        max_segments_per_track: int | None = 4,
        audio: bool = True,
        whole_tracks: bool = False,
        instruments: str = "",
    ):
        if songs < 1:
            raise ValueError(f"songs must be at least 1, got {songs}")
        compose_folder(Path(folder), songs, seed)
        super().__init__(
            folder,
            soundfonts=soundfonts,
            sample_rate=sample_rate,
            max_segments_per_track=max_segments_per_track,
            seed=seed,
            manifest=Path(folder) / MANIFEST,
            audio=audio,
            whole_tracks=whole_tracks,
            instruments=instruments,
        )
        self.size = songs

    def description(self) -> dict:
        """The description of a MIDI folder, with a note that this is not the paper's data."""
        note = "demonstration corpus composed by this program; not the paper's data"
        return super().description() | {"songs": self.size, "note": note}


def compose_folder(folder: Path, songs: int, seed: int) -> None:
    """Compose the songs and their manifest into `folder` unless they exist.

    They are written beside the folder and moved there once complete, so that an interrupted run
    leaves no partial files. Songs of another seed, number or version of the composer are replaced;
    a folder that holds other files is not changed.

    Raises:
        ValueError: if the folder holds files that were not composed here.
    """
    recipe = f"songs {songs}, seed {seed}, composer {_composer_version()}\n"
    if _recipe(folder) == recipe:
        return
    if folder.exists() and not all(_is_composed(path) for path in folder.iterdir()):
        raise ValueError(
            f"the folder {folder} contains files that are not demonstration songs; "
            "choose an empty or a new folder"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        staging.chmod(0o755)  # mkdtemp gives access to the owner alone
        _write(staging, songs, seed)
        (staging / RECIPE).write_text(recipe)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(staging, folder)
    except OSError:
        if _recipe(folder) != recipe:  # else another process has written the same songs
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _recipe(folder: Path) -> str:
    mark = folder / RECIPE
    return mark.read_text() if mark.is_file() else ""


def _is_composed(path: Path) -> bool:
    return path.name in (MANIFEST, RECIPE) or bool(re.fullmatch(r"song-\d+\.mid", path.name))


def _composer_version() -> str:
    """A checksum of the composer's source code: other code composes other songs."""
    sources = sorted(Path(composer.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def _write(folder: Path, songs: int, seed: int) -> None:
    with open(folder / MANIFEST, "w", newline="", encoding="utf-8") as file:
        manifest = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        manifest.writeheader()
        for index in range(1, songs + 1):
            song = composer.compose(seed, index)
            name = f"song-{index:03d}"
            song.midi.write(str(folder / f"{name}.mid"))
            manifest.writerow(
                {
                    "path": f"{name}.mid",
                    "group": name,
                    "licence": LICENCE,
                    "style": song.style,
                    "key": song.key,
                    "tempo": song.tempo,
                    "metre": song.metre,
                }
            )
