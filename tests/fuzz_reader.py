"""Fuzz target: read any bytes strictly and leniently, and write a labelled copy.

    python tests/fuzz_reader.py CORPUS_FOLDER -max_total_time=600 -timeout=2 -rss_limit_mb=500

The folder receives the inputs that reach new code; `write_seeds` adds the first ones. The process
ends with an error, and leaves the input in a file, at an exception other than ValueError (which
`read_midi` turns into MidiError), a failed check, a run of over two seconds, or over 500 MB.
"""

import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["camil.midi"]):
    from camil.midi.labelled_copy import LabelledCopy
    from camil.midi.repair import readable
    from camil.midi.score import score_of

from midi_bytes import seeds


def check(data: bytes) -> None:
    """Both readings agree on a valid file, and a labelled copy has the same notes."""
    try:
        strict = score_of(data)
    except ValueError:
        strict = None
    try:
        score = score_of(data, strict=False)
    except ValueError:
        assert strict is None, "the lenient reading raises for a file that the strict one reads"
        return
    if strict is not None:
        assert score.warnings == []
        assert [part.name for part in score.tracks] == [part.name for part in strict.tracks]
    else:
        assert all(str(warning) for warning in score.warnings)
    for part in score.tracks:
        assert (part.end_beat > part.start_beat).all()
        assert part.name.isprintable()
    programs = {part.name: 71 for part in score.tracks if not part.is_drum}
    copy = LabelledCopy(readable(data).data, score.tracks, programs).content()
    assert notes_of(score_of(copy, strict=False)) == notes_of(score)


def notes_of(score) -> list:
    return sorted(
        note
        for part in score.tracks
        for note in zip(part.pitch.tolist(), part.start_beat.tolist(), part.end_beat.tolist())  # noqa: B905
    )


def write_seeds(folder: Path) -> None:
    """Write one file of each kind into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds()):
        (folder / f"seed-{number:02d}.mid").write_bytes(data)


if __name__ == "__main__":
    write_seeds(Path(sys.argv[1]))
    warnings.simplefilter("ignore")
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
