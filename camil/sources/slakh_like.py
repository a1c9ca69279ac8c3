"""Draw songs from the Lakh MIDI Dataset as Slakh2100 does, and write them as a manifest.

    python -m camil.sources.slakh_like path/to/lakh songs.csv

Slakh2100 takes songs of Lakh that have a piano, a guitar, a bass and drums (Manilow et al., 2019).
The songs drawn here are others, because its list was drawn differently, but the rule and the
sizes of the splits are the same: those of ``redux``, without duplicates. The manifest is the
``SOURCE`` of ``config/lakh.yaml``.
"""

import argparse
import csv
import os
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from camil.midi.instruments import FAMILIES
from camil.midi.score import MidiError, Score, read_midi
from camil.midi.versions import groups_of, sketch_of
from camil.sources.manifest import manifest_near, read_manifest, row_of
from camil.sources.midi_folder import MIN_TRACK_NOTES, MidiFolder
from camil.sources.protocol import Song

REQUIRED = {"Piano", "Guitar", "Bass"}  # and drums
REDUX = {"train": 1289, "validation": 270, "test": 151}  # songs
COLUMNS = ("path", "group", "split", "licence")


def qualifies(score: Score) -> bool:
    """Whether a song has a piano, a guitar, a bass and drums, of eight notes or more each."""
    tracks = [track for track in score.tracks if len(track.pitch) >= MIN_TRACK_NOTES]
    pitched = {FAMILIES.of_program(t.program) for t in tracks if t.labelled and not t.is_drum}
    return pitched >= REQUIRED and any(track.is_drum for track in tracks)


def draw(
    folder: str | os.PathLike, sizes: Mapping[str, int] = REDUX, seed: int = 0
) -> list[tuple[Song, str]]:
    """Draw songs that qualify, none of which is a version of another.

    Files are read in random order until there are enough, so most of a large folder is not read.
    The first songs fill the first split, and so on: with a larger last split, all others contain
    the same songs.

    Args:
        folder: the MIDI files; a ``manifest.csv`` may state groups of versions. Versions are also
            found from the notes, see `camil.midi.versions`.
        sizes: number of songs by split.
        seed: random seed of the order.

    Returns:
        The songs and their splits.

    Raises:
        ValueError: if the folder has no MIDI file or too few songs that qualify.
    """
    songs = MidiFolder(folder, audio=False).songs()
    random.Random(seed).shuffle(songs)
    wanted, found = sum(sizes.values()), []
    candidates = _qualified(songs)
    while len(found) < wanted:
        more = list(islice(candidates, wanted - len(found)))
        if not more:
            raise ValueError(
                f"{folder} has only {len(found)} songs with piano, guitar, bass and drums, "
                f"{wanted} are wanted; use a larger folder or smaller splits"
            )
        found = _without_versions(found + more)
    splits = [split for split, size in sizes.items() for _ in range(size)]
    return [(song, split) for (song, _), split in zip(found, splits, strict=True)]


def _qualified(songs: Sequence[Song]) -> Iterator[tuple[Song, list[int]]]:
    """The songs that qualify, with their sketches."""
    for song in songs:
        try:
            score = read_midi(song.path)
        except MidiError:
            continue  # the corpus would skip it, too
        if score.has_measures and qualifies(score):
            yield song, sketch_of(score)


def _without_versions(found: list[tuple[Song, list[int]]]) -> list[tuple[Song, list[int]]]:
    """Leave out songs that are a version of an earlier one, by their manifest or their notes."""
    alike = groups_of({song.name: sketch for song, sketch in found})
    kept, groups = [], set()
    for song, sketch in found:
        names = {alike[song.name], song.group or song.name}
        if not names & groups:
            kept.append((song, sketch))
        groups |= names
    return kept


def write_manifest(
    path: Path, songs: Sequence[tuple[Song, str]], origin: Mapping[Path, Mapping[str, str]]
) -> None:
    """Write songs and splits as a manifest whose paths are relative to it where possible.

    Args:
        path: the ``.csv`` file.
        songs: songs and their splits.
        origin: rows of the manifest that the songs were listed in, by path, for their licences.
    """
    top = path.resolve().parent
    unfinished = path.with_suffix(".unfinished")
    with open(unfinished, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for song, split in songs:
            full = song.path.resolve()
            where = full.relative_to(top) if full.is_relative_to(top) else full
            _, row = row_of(song.path, origin)
            licence = row.get("licence", "")
            rows.writerow((where.as_posix(), song.group or song.name, split, licence))
    unfinished.replace(path)


def main(command: Sequence[str] | None = None) -> None:
    """The command of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m camil.sources.slakh_like", description=__doc__.split("\n")[0]
    )
    parser.add_argument("folder", type=Path, help="MIDI files of Lakh, in any folders")
    parser.add_argument("manifest", type=Path, help="the .csv file to write")
    for split, size in REDUX.items():
        parser.add_argument(f"--{split}", type=int, default=size, help=f"songs, default {size}")
    parser.add_argument("--seed", type=int, default=0, help="random seed, default 0")
    given = parser.parse_args(command)
    try:
        songs = draw(given.folder, {split: getattr(given, split) for split in REDUX}, given.seed)
        listed = manifest_near(given.folder)
        write_manifest(given.manifest, songs, read_manifest(listed) if listed else {})
    except (ValueError, OSError) as error:
        sys.exit(f"{error}")
    print(f"{len(songs)} songs in {given.manifest}")


if __name__ == "__main__":
    main()
