"""Views of notebook 7: a labelled song with its sounds, saved files, and an upload button."""

from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import ipywidgets
import pandas as pd
import pretty_midi
from IPython.display import Audio, Markdown, display
from matplotlib.figure import Figure

from camil import figures
from camil.labelling.label import label, name_within, skipped, track_labels
from camil.labelling.labelled_files import write_labelled
from camil.labelling.networks import Labeller
from camil.labelling.reasons import reason_for
from camil.midi.folder import SUFFIXES, midi_files
from camil.midi.instruments import FAMILIES, InstrumentTable
from camil.midi.new_programs import labelled_programs
from camil.midi.score import Score, read_midi
from camil.training.progress import each, watched
from camil.widgets.card import player_row
from camil.widgets.image_html import as_image
from camil.widgets.listening import CLIP_RATE, busiest_start, perform, player
from camil.workbook.files import write_text


@dataclass
class LabelledSong:
    """A MIDI file with its labels.

    Attributes:
        name: name of the file.
        score: its content.
        segments, tracks: its rows of `camil.label` and `camil.track_labels`.
        instruments: the classes of the labels.
    """

    name: str
    score: Score
    segments: pd.DataFrame
    tracks: pd.DataFrame
    instruments: InstrumentTable = FAMILIES

    def overview(self) -> Figure:
        """All tracks along the measures of the song."""
        return figures.song_labels(
            self.score, self.segments, self.tracks, self.name, self.instruments
        )

    def timeline(self, track: str) -> Figure:
        """The notes of one track, and the class probabilities of its segments."""
        notes = self._track(track)
        of_track = self.segments[self.segments["track"] == track]
        return figures.label_timeline(
            notes.pitch,
            notes.start_beat,
            notes.end_beat,
            of_track[["start_beat", "end_beat"]].to_numpy(),
            of_track[[f"p_{name}" for name in self.instruments.names]].to_numpy(),
            title=track,
            measures=self.score.measures,
            instruments=self.instruments,
        )

    def why(self, track: str, labeller: Labeller) -> str:
        """One sentence on what the label of a track rests on; see `camil.labelling.reasons`."""
        found = reason_for(self.score, labeller, track)
        return found.sentence if found else "The track is too short for a label."

    def as_written(self, track: str | None = None) -> Audio:
        """A clip of the song, or of one track, with the programs of the file."""
        return self._clip(track, {})

    def as_labelled(self, track: str | None = None) -> Audio:
        """The same clip with the programs of the labels."""
        programs = labelled_programs(self.score.tracks, self.tracks, self.instruments)
        return self._clip(track, programs)

    def _clip(self, track: str | None, programs: dict[str, int]) -> Audio:
        begin = busiest_start(self.score, self._track(track) if track else None)
        return player(perform(self.score, begin, programs=programs, only=track), CLIP_RATE)

    def _track(self, name: str):
        return next(track for track in self.score.tracks if track.name == name)


def labelled_song(
    labels: pd.DataFrame,
    path: Path | str,
    file: str | None = None,
    instruments: InstrumentTable = FAMILIES,
) -> LabelledSong:
    """One song of a table of labels.

    Args:
        labels: labels per segment, from `camil.label`.
        path: the labelled file or folder.
        file: name of the file if ``path`` is a folder; by default the first.
        instruments: the classes of the labels, `Labeller.instruments`.
    """
    file = file or labels["file"].iloc[0]
    of_file = labels[labels["file"] == file]
    score = read_midi(_path_of(path, file), strict=False)
    return LabelledSong(file, score, of_file, track_labels(of_file), instruments)


def browse_tracks(
    labels: pd.DataFrame,
    path: Path | str,
    instruments: InstrumentTable = FAMILIES,
    labeller: Labeller | None = None,
) -> None:
    """Choose a track (in a folder, a file first), and see and hear it as written and as labelled.

    In an unattended notebook, the track of the first file with the least certain label is shown.

    Args:
        labels, path, instruments: as for `labelled_song`.
        labeller: the labeller of the labels; if given, a sentence says why the track has its label.
            It takes about ten readings of the song.
    """
    song = labelled_song(labels, path, instruments=instruments)
    if not watched():
        track = song.tracks.loc[song.tracks["probability"].idxmin(), "track"]
        sounds = song.as_written(track), song.as_labelled(track)
        sentence = [Markdown(song.why(track, labeller))] if labeller else []
        display(song.timeline(track), *sentence, Markdown("as written"), sounds[0])
        display(Markdown("as labelled"), sounds[1])
        return
    display(_chooser(labels, path, instruments, labeller))


def upload(labeller: Labeller, output: Path | str) -> None:
    """Display a button that uploads a MIDI file, labels it, shows it and saves copy and tables.

    A file that cannot be labelled is not kept.

    Args:
        labeller: a labeller from `camil.load_labeller`.
        output: folder of the uploaded files and of their results.
    """
    if not watched():
        print("In JupyterLab, this cell shows a button that uploads a MIDI file.")
        return
    button = ipywidgets.FileUpload(accept=",".join(SUFFIXES), description="MIDI file")
    view = ipywidgets.VBox()

    def take(_) -> None:
        if not button.value:
            return
        name, content = Path(button.value[0]["name"]).name, button.value[0]["content"]
        try:
            with TemporaryDirectory() as folder:
                Path(folder, name).write_bytes(content)
                labels = label(Path(folder, name), labeller)
        except (ValueError, OSError) as error:
            view.children = [ipywidgets.HTML(f"<p>{escape(str(error))}</p>")]
            return
        path = Path(output, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        view.children = [
            _overview(labels, path, labeller.instruments),
            _chooser(labels, path, labeller.instruments, labeller),
            _saved(output, labels, path, labeller.instruments),
        ]

    button.observe(take, names="value")
    display(ipywidgets.VBox([button, view]))


def overview_table(tracks: pd.DataFrame) -> pd.DataFrame:
    """The labels of tracks for display: with shades, suggested programs by name, two decimals.

    Args:
        tracks: from `camil.track_labels`.
    """
    programs = [
        pretty_midi.program_to_instrument_name(program) if program >= 0 else ""
        for program in tracks["suggested_program"]
    ]
    shown = tracks[["track", "channel", "written", "text", "probability"]].round(2)
    shown = shown.rename(columns={"text": "label"}).assign(program=programs)
    return shown if any(programs) else shown.drop(columns="program")


def save(
    labels: pd.DataFrame,
    path: Path | str,
    output: Path | str,
    instruments: InstrumentTable = FAMILIES,
) -> list[Path]:
    """Write ``tracks.csv``, ``skipped.csv``, ``labels.csv`` and a labelled copy of each file.

    ``labels.csv`` is written last, so that its presence marks complete results.

    Args:
        labels, path, instruments: as for `labelled_song`.
        output: a folder, created if missing; copies are called ``<name>-labelled.mid``.

    Returns:
        The copies.
    """
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    tracks = track_labels(labels)
    copies = []
    for file, of_file in each(list(tracks.groupby("file", sort=False)), "copy"):
        name = Path(file)
        copies.append(output / name.with_name(f"{name.stem}-labelled{name.suffix}"))
        write_labelled(_path_of(path, file), of_file, copies[-1], instruments=instruments)
    tables = {"tracks": tracks, "skipped": skipped(labels), "labels": labels}
    for name, table in tables.items():
        write_text(output / f"{name}.csv", table.to_csv(index=False))
    return copies


def _chooser(
    labels: pd.DataFrame,
    path: Path | str,
    instruments: InstrumentTable,
    labeller: Labeller | None,
) -> ipywidgets.Widget:
    files = labels["file"].unique().tolist()
    file = ipywidgets.Dropdown(options=files, description="file")
    track = ipywidgets.Dropdown(description="track")
    view = ipywidgets.HTML()

    def choose_file(_=None) -> None:
        rows = labelled_song(labels, path, file.value, instruments).tracks.to_dict("records")
        track.options = [(f"{row['track']}: {row['text']}", row["track"]) for row in rows]
        track.index = 0  # new options select nothing the first time

    def show(_=None) -> None:
        if track.value is not None:
            song = labelled_song(labels, path, file.value, instruments)
            sounds = song.as_written(track.value), song.as_labelled(track.value)
            view.value = shown = _html(song.timeline(track.value), *sounds)
            if labeller:  # computed last, because it takes about ten readings of the song
                view.value = f"{shown}<p>{escape(song.why(track.value, labeller))}</p>"

    file.observe(choose_file, names="value")
    track.observe(show, names="value")
    choose_file()
    show()
    return ipywidgets.VBox([*([file] if len(files) > 1 else []), track, view])


def _overview(
    labels: pd.DataFrame, path: Path | str, instruments: InstrumentTable
) -> ipywidgets.Widget:
    song = labelled_song(labels, path, instruments=instruments)
    table = overview_table(song.tracks).to_html(index=False, border=0)
    return ipywidgets.HTML(_html(song.overview(), song.as_written(), song.as_labelled()) + table)


def _saved(
    output: Path | str, labels: pd.DataFrame, path: Path, instruments: InstrumentTable
) -> ipywidgets.Widget:
    (copy,) = save(labels, path, Path(output) / path.stem, instruments)
    omitted = "".join(
        f"<li>{escape(f'{row.track}: {row.why}')}</li>" for row in skipped(labels).itertuples()
    )
    return ipywidgets.HTML(f"<ul>{omitted}</ul><p>Saved: {escape(str(copy.parent))}</p>")


def _html(figure: Figure, written: Audio, labelled: Audio) -> str:
    sounds = player_row("as written", written) + player_row("as labelled", labelled)
    return as_image(figure, "a song with its labels") + sounds


def _path_of(path: Path | str, file: str) -> Path:
    path = Path(path)
    if not path.is_dir():
        return path
    if (path / file).exists():
        return path / file
    # The name is escaped in the table, because it is not UTF-8.
    files, _ = midi_files(path)
    return next(one for one in files if name_within(path, one) == file)
