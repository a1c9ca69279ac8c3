"""A segment seen and heard: its piano roll and mel-spectrogram, its sound, its notes on a piano."""

from dataclasses import dataclass, field
from html import escape

import numpy as np
from IPython.display import Audio, Markdown, display
from matplotlib.figure import Figure

from camil import figures
from camil.audio import MEL_BINS, MEL_FRAMES, SoundFont, default_soundfont
from camil.corpus.corpus import Corpus
from camil.midi.segments import STEPS_PER_QUARTER
from camil.sources import sound_of
from camil.widgets.listening import player
from camil.widgets.picture import as_image

PIANO = 0  # General MIDI program: notes as the encoder sees them, without their own timbre


@dataclass
class Card:
    """What is shown of a segment.

    Attributes:
        sounds: what each player plays.
        remarks: sentences below, such as why a sound is missing.
    """

    title: str
    figure: Figure
    sounds: dict[str, Audio] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def display(self) -> None:
        """Leave it in the notebook as ordinary outputs, which any viewer shows."""
        display(self.figure)
        for name, sound in self.sounds.items():
            display(Markdown(name), sound)
        for remark in self.remarks:
            display(Markdown(remark))

    def html(self) -> str:
        """One piece of HTML with everything in it."""
        players = "".join(line(name, sound) for name, sound in self.sounds.items())
        remarks = "".join(f"<p>{escape(remark)}</p>" for remark in self.remarks)
        picture = as_image(self.figure, self.title)
        return f'<div style="max-width: 34em">{picture}{players}{remarks}</div>'


def line(name: str, sound: Audio) -> str:
    """A line with a name and a player."""
    small = sound._repr_html_().replace("<audio ", '<audio style="height: 2em; width: 16em" ', 1)
    row = "display: flex; flex-wrap: wrap; align-items: center; gap: 0 1em; margin: 0.3em 0"
    return f'<div style="{row}"><span style="flex: 1 1 10em">{escape(name)}</span>{small}</div>'


class Cards:
    """Makes the cards of a corpus's segments.

    Args:
        data: where the notes and mels are; the sound is played again from the corpus's source.
    """

    def __init__(self, data: Corpus):
        self.data = data
        self._parameters = data.info["parameters"] | {"corpus": str(data.folder)}
        self._piano = SoundFont(default_soundfont(), self._parameters["sample_rate"])

    def card(self, row: int, title: str = "") -> Card:
        """Of one row of `Corpus.table`; `title` stands over it, else instrument and song."""
        title = title or self.name(row)
        card = Card(title, self.figure(row, title))
        if self.data.has_audio:
            try:
                card.sounds["its sound"] = self.sound(row)
            except (ValueError, OSError) as error:
                card.remarks.append(f"Its sound cannot be played: {error}")
        card.sounds["its notes, on a piano"] = self.notes(row)
        return card

    def name(self, row: int) -> str:
        """Instrument, song, and where in it."""
        about = self.data.table.iloc[row]
        return f"{about['instrument']}, {about['song']}, beat {about['start_beat']:g}"

    def figure(self, row: int, title: str = "") -> Figure:
        """Piano roll over mel-spectrogram."""
        about = self.data.table.iloc[row]
        rows = self.data.labels.new_tensor([row])
        seconds = about["end_seconds"] - about["start_seconds"]
        silence = np.zeros((MEL_BINS, MEL_FRAMES))
        return figures.roll_and_mel(
            self.data.rolls(rows)[0, 0].cpu().numpy(),
            self.data.mels(rows)[0, 0].cpu().numpy() if self.data.has_audio else silence,
            seconds=seconds,
            beats=seconds * about["bpm"] / 60,
            title=title,
            instrument=about["instrument"],
        )

    def sound(self, row: int) -> Audio:
        """The segment's own sound.

        Raises:
            ValueError: if the corpus's source is no longer there.
        """
        clip, rate = sound_of(self.data.table.iloc[row], self._parameters)
        return player(clip, rate)

    def notes(self, row: int) -> Audio:
        """The segment's notes alone, played by a piano."""
        about = self.data.table.iloc[row]
        notes = self.data.notes(row)
        step = 60 / about["bpm"] / STEPS_PER_QUARTER  # seconds
        begin = notes["step"].to_numpy() * step
        clip = self._piano.render(
            PIANO,
            notes["pitch"].to_numpy(),
            notes["velocity"].to_numpy(),
            begin,
            begin + notes["length"].to_numpy() * step,
            0,
            about["end_seconds"] - about["start_seconds"],
        )
        return player(clip, self._piano.sample_rate)
