"""One segment as a card: piano roll, mel-spectrogram, sound, and its notes on a piano."""

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
from camil.widgets.image_html import as_image
from camil.widgets.listening import player

PIANO = 0  # General MIDI program: the notes without the timbre of their instrument


@dataclass
class Card:
    """The outputs of one segment.

    Attributes:
        sounds: clip by description.
        remarks: sentences below the sounds, for example why one is missing.
    """

    title: str
    figure: Figure
    sounds: dict[str, Audio] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def display(self) -> None:
        """Display the card as static outputs, which any notebook viewer shows."""
        display(self.figure)
        for name, sound in self.sounds.items():
            display(Markdown(name), sound)
        for remark in self.remarks:
            display(Markdown(remark))

    def html(self) -> str:
        """The card as one self-contained piece of HTML."""
        players = "".join(player_row(name, sound) for name, sound in self.sounds.items())
        remarks = "".join(f"<p>{escape(remark)}</p>" for remark in self.remarks)
        picture = as_image(self.figure, self.title)
        return f'<div style="max-width: 34em">{picture}{players}{remarks}</div>'


def player_row(name: str, sound: Audio) -> str:
    """A row of HTML with a description and an audio player."""
    small = sound._repr_html_().replace("<audio ", '<audio style="height: 2em; width: 16em" ', 1)
    row = "display: flex; flex-wrap: wrap; align-items: center; gap: 0 1em; margin: 0.3em 0"
    return f'<div style="{row}"><span style="flex: 1 1 10em">{escape(name)}</span>{small}</div>'


class Cards:
    """Cards of the segments of a corpus.

    Args:
        data: the corpus; sounds are rendered again or read from its source.
    """

    def __init__(self, data: Corpus):
        self.data = data
        self._parameters = data.info["parameters"] | {"corpus": str(data.folder)}
        self._piano = SoundFont(default_soundfont(), self._parameters["sample_rate"])

    def card(self, row: int, title: str = "") -> Card:
        """The card of a row of `Corpus.table`; the default title is `name`."""
        title = title or self.name(row)
        card = Card(title, self.figure(row, title))
        if self.data.has_audio:
            try:
                card.sounds["sound"] = self.sound(row)
            except (ValueError, OSError) as error:
                card.remarks.append(f"The sound cannot be played: {error}")
        card.sounds["notes, on a piano"] = self.notes(row)
        return card

    def name(self, row: int) -> str:
        """Instrument, song and first quarter note of a segment."""
        about = self.data.table.iloc[row]
        return f"{about['instrument']}, {about['song']}, beat {about['start_beat']:g}"

    def figure(self, row: int, title: str = "") -> Figure:
        """Piano roll above mel-spectrogram."""
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
            sample_rate=self._parameters["sample_rate"] if self.data.has_audio else 0,
            instruments=self.data.instruments,
        )

    def sound(self, row: int) -> Audio:
        """The audio of the segment.

        Raises:
            ValueError: if the source of the corpus is not available.
        """
        clip, rate = sound_of(self.data.table.iloc[row], self._parameters)
        return player(clip, rate)

    def notes(self, row: int) -> Audio:
        """The notes of the segment, played by a piano."""
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
