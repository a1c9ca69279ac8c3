"""The desk in notebook 7: a labelled song seen and heard, saved, and another one dropped in."""

import base64
import io
from dataclasses import dataclass
from html import escape
from pathlib import Path

import ipywidgets
import pandas as pd
from IPython.display import Audio, Markdown, display
from matplotlib.figure import Figure

from camil import figures
from camil.labelling.label import SUFFIXES, label, skipped, track_labels
from camil.labelling.networks import Labeller
from camil.midi.score import Score, read_midi
from camil.midi.write import labelled_programs, write_labelled
from camil.training.progress import each, watched
from camil.widgets.listening import CLIP_RATE, perform, player, telling_span

SHOWN = ["track", "channel", "written", "predicted", "probability"]


@dataclass
class LabelledSong:
    """A file with its labels.

    Attributes:
        name: of the file.
        score: what it holds.
        segments, tracks: its rows of `camil.label` and `camil.track_labels`.
    """

    name: str
    score: Score
    segments: pd.DataFrame
    tracks: pd.DataFrame

    def overview(self) -> Figure:
        """All parts along the song."""
        return figures.song_labels(self.score, self.segments, self.tracks, title=self.name)

    def timeline(self, track: str) -> Figure:
        """One part, its notes and its probabilities segment by segment."""
        part = self._part(track)
        mine = self.segments[self.segments["track"] == track]
        spans = mine[["start_beat", "end_beat"]].to_numpy()
        shares = mine[[name for name in mine if name.startswith("p_")]].to_numpy()
        notes = part.pitch, part.start_beat, part.end_beat
        return figures.label_timeline(*notes, spans, shares, title=track)

    def as_written(self, track: str | None = None) -> Audio:
        """A telling clip of the song, or of one part, with the file's own instruments."""
        return self._clip(track, {})

    def as_labelled(self, track: str | None = None) -> Audio:
        """The same clip with the instruments that the parts were given."""
        return self._clip(track, labelled_programs(self.score.tracks, self.tracks))

    def _clip(self, track: str | None, programs: dict[str, int]) -> Audio:
        begin = telling_span(self.score, self._part(track) if track else None)
        return player(perform(self.score, begin, programs=programs, only=track), CLIP_RATE)

    def _part(self, track: str):
        return next(part for part in self.score.tracks if part.name == track)


def labelled_song(labels: pd.DataFrame, path: Path | str, file: str | None = None) -> LabelledSong:
    """One song of some labels.

    Args:
        labels: from `camil.label`.
        path: what was labelled, a file or a folder.
        file: of a folder, which one; by default the first.
    """
    file = file or labels["file"].iloc[0]
    mine = labels[labels["file"] == file]
    return LabelledSong(file, read_midi(_place(path, file)), mine, track_labels(mine))


def listen_in(labels: pd.DataFrame, path: Path | str) -> None:
    """Choose a track, in a folder a file too, to see and hear it as written and as labelled.

    Unattended, the most doubtful track of the first file is left in the notebook.

    Args:
        labels, path: as of `labelled_song`.
    """
    song = labelled_song(labels, path)
    if not watched():
        track = song.tracks.loc[song.tracks["probability"].idxmin(), "track"]
        sounds = song.as_written(track), song.as_labelled(track)
        display(song.timeline(track), Markdown("as written"), sounds[0])
        display(Markdown("as labelled"), sounds[1])
        return
    display(_chooser(labels, path))


def drop_in(labeller: Labeller, output: Path | str) -> None:
    """A button that takes a MIDI file, labels it, shows it and saves copy and tables.

    Args:
        labeller: from `camil.load_labeller`.
        output: the folder that files go to.
    """
    if not watched():
        print("Here JupyterLab has a button to drop in a file of your own.")
        return
    button = ipywidgets.FileUpload(accept=",".join(SUFFIXES), description="MIDI file")
    view = ipywidgets.VBox()

    def take(_) -> None:
        if not button.value:
            return
        given = button.value[0]
        path = Path(output) / Path(given["name"]).name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(given["content"])
        try:
            labels = label(path, labeller)
            view.children = [
                _whole(labels, path),
                _chooser(labels, path),
                _told(output, labels, path),
            ]
        except (ValueError, OSError) as error:
            view.children = [ipywidgets.HTML(f"<p>{escape(str(error))}</p>")]

    button.observe(take, names="value")
    display(ipywidgets.VBox([button, view]))


def save(labels: pd.DataFrame, path: Path | str, output: Path | str) -> list[Path]:
    """Write `labels.csv`, `tracks.csv`, `skipped.csv`, and a copy of each file with its labels.

    Args:
        labels, path: as of `labelled_song`.
        output: a folder, made if need be; copies are called `<name>-labelled.mid` there.

    Returns:
        The copies.
    """
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    tracks = track_labels(labels)
    copies = []
    for file, mine in each(list(tracks.groupby("file", sort=False)), "copy"):
        name = Path(file)
        copies.append(output / name.with_name(f"{name.stem}-labelled{name.suffix}"))
        write_labelled(_place(path, file), mine, copies[-1])
    tables = {"tracks": tracks, "skipped": skipped(labels), "labels": labels}
    for name, table in tables.items():  # labels.csv last: it tells that all is there
        unfinished = output / f"{name}.csv.partial"
        table.to_csv(unfinished, index=False)
        unfinished.replace(output / f"{name}.csv")
    return copies


def _chooser(labels: pd.DataFrame, path: Path | str) -> ipywidgets.Widget:
    files = labels["file"].unique().tolist()
    file = ipywidgets.Dropdown(options=files, description="file")
    track = ipywidgets.Dropdown(description="track")
    view = ipywidgets.HTML()

    def choose_file(_=None) -> None:
        rows = labelled_song(labels, path, file.value).tracks.to_dict("records")
        track.options = [(f"{row['track']}: {row['predicted']}", row["track"]) for row in rows]
        track.index = 0  # new options alone leave nothing chosen the first time

    def show(_=None) -> None:
        if track.value is not None:
            song = labelled_song(labels, path, file.value)
            sounds = song.as_written(track.value), song.as_labelled(track.value)
            view.value = _html(song.timeline(track.value), *sounds)

    file.observe(choose_file, names="value")
    track.observe(show, names="value")
    choose_file()
    show()
    return ipywidgets.VBox([*([file] if len(files) > 1 else []), track, view])


def _whole(labels: pd.DataFrame, path: Path | str) -> ipywidgets.Widget:
    song = labelled_song(labels, path)
    table = song.tracks[SHOWN].round(2).to_html(index=False, border=0)
    return ipywidgets.HTML(_html(song.overview(), song.as_written(), song.as_labelled()) + table)


def _told(output: Path | str, labels: pd.DataFrame, path: Path) -> ipywidgets.Widget:
    (copy,) = save(labels, path, Path(output) / path.stem)
    left = "".join(
        f"<li>{escape(f'{r.track}: {r.why}')}</li>" for r in skipped(labels).itertuples()
    )
    return ipywidgets.HTML(f"<ul>{left}</ul><p>Saved: {escape(str(copy.parent))}</p>")


def _html(figure: Figure, written: Audio, labelled: Audio) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    picture = base64.b64encode(file.getvalue()).decode()
    sounds = (("as written", written), ("as labelled", labelled))
    return f'<img style="max-width: 100%" src="data:image/png;base64,{picture}">' + "".join(
        f"<div>{name}<br>{sound._repr_html_()}</div>" for name, sound in sounds
    )


def _place(path: Path | str, file: str) -> Path:
    return Path(path) / file if Path(path).is_dir() else Path(path)
