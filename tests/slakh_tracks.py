"""Small Slakh tracks: notes and recordings of a few stems, with their metadata."""

import numpy as np
import pretty_midi
import soundfile
import yaml


def make_track(path, stems, suffix="flac", rate=44100, seconds=8.0, uuid="ab12"):
    """A Slakh track: stems are name: (class, program, pitches); Lakh's bass is an octave lower."""
    lakh = pretty_midi.PrettyMIDI()
    about = {}
    for folder in ("MIDI", "stems"):
        (path / folder).mkdir(parents=True)
    for name, (instrument, program, pitches) in stems.items():
        midi = pretty_midi.PrettyMIDI()
        for file, down in ((midi, 0), (lakh, 12 if instrument == "Bass" else 0)):
            part = pretty_midi.Instrument(program)
            for i, pitch in enumerate(pitches):
                part.notes.append(pretty_midi.Note(90, pitch - down, i, i + 0.9))
            file.instruments.append(part)
        midi.write(str(path / "MIDI" / f"{name}.mid"))
        time = np.arange(round(seconds * rate)) / rate
        tone = np.sin(2 * np.pi * 100 * (program + 1) * time) * (time % 1 < 0.9)
        soundfile.write(path / "stems" / f"{name}.{suffix}", 0.5 * tone, rate)
        about[name] = {
            "inst_class": instrument, "is_drum": False, "program_num": program,
            "plugin_name": f"{name}.nkm", "audio_rendered": False, "midi_saved": False,
        }  # fmt: skip
    lakh.write(str(path / "all_src.mid"))
    (path / "metadata.yaml").write_text(yaml.safe_dump({"UUID": uuid, "stems": about}))


STEMS = {
    "S00": ("Guitar", 25, range(60, 68)),
    "S01": ("Bass", 33, range(40, 48)),
    "S02": ("Strings (continued)", 50, range(70, 78)),
    "S03": ("Strings", 40, range(71, 79)),
    "S04": ("Synth Pad", 90, range(60, 68)),
}
