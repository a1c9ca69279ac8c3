"""Model cards of trained networks: data, licence, scores and training settings."""

from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from camil.encoders.resnet import MIDIEncoder
from camil.workbook.files import read_json
from camil.workbook.runs import recorded_instruments

TAGS = ["music", "midi", "symbolic-music", "instrument-classification"]
# Paths on one machine mean nothing to others.
PATHS = ("corpus", "run", "pretrained", "pretrained_audio", "device")
SCORES = ("macro_f1", "weighted_f1", "accuracy", "track_macro_f1")

TRAINING = """
## Training
{% for name, value in settings.items() -%}
- {{ name }}: `{{ value }}`
{% endfor -%}
- code: commit `{{ record.commit }}`, torch {{ record.versions.torch }}, on {{ record.device }}
"""
ENCODER_CARD = (
    """---
{{ card_data }}
---
# A CAMIL MIDI encoder

Maps two measures of one part, a piano roll of 84 pitches (C1 to B7) by 192 steps (24 per quarter \
note), to one embedding. Contrastive audio-MIDI learning: Sawada, *Contrastive Audio-MIDI Learning \
for Symbolic-domain Musical Instrument Classification*.

```python
from camil import MIDIEncoder

encoder = MIDIEncoder.from_pretrained("this folder, or its id on the Hub")
```
## Data
- corpus: {{ corpus.source }}, segments with SHA-256 `{{ corpus.sha256 }}`
- licence of the data: {{ licence }}
- songs: {{ songs }}; split by song, with all duplicates of a song in one split
- instruments: {{ instruments }}
{% if note %}- {{ note }}
{% endif -%}
## Scores on the test songs
{% for name, value in scores.items() -%}
- {{ name }}: {{ "%.4f" % value }}
{% else -%}
Not classified yet.
{% endfor -%}
"""
    + TRAINING
)
SONG_CARD = (
    """---
{{ card_data }}
---
# CAMIL+: instruments of all parts of a song

Reads the notes of all parts of a song, without audio and without General MIDI programs, and \
predicts the instrument of each part among {{ classes }} classes: {{ instruments }}. \
{% if record.parameters.other %}It also predicts the probability that a part is none of them, such \
as a synthesizer lead, melodic percussion or a sound effect, and a General MIDI program.\
{% else %}Parts of other instruments, such as synthesizers, percussion or sound effects, are \
assigned to one of these classes too.{% endif %}

```python
from camil import label, track_labels

track_labels(label("song.mid", pretrained="path/to/folder"))  # that of songs.safetensors
```
## Data
- {{ total }} songs: {{ songs }}; split by song, with all duplicates of a song in one split
- segments with SHA-256 `{{ corpus.sha256 }}`
- licences: {{ licence }}
{% if origins %}- from: {{ origins }}
{% endif -%}
## Scores on the test songs
Macro-F1. Probabilities are calibrated on the validation songs.

| read from | by segment | by track |
|---|--:|--:|
{% for level, found in scores.items() -%}
| the {{ level }} | {{ "%.3f" % found.macro_f1 }} | {{ "%.3f" % found.track_macro_f1 }} |
{% endfor -%}
"""
    + TRAINING
)


def share(encoder: MIDIEncoder, folder: Path | str, record: dict[str, Any], **more: Any) -> None:
    """Write an encoder in the format of `MIDIEncoder.from_pretrained` and the Hugging Face Hub.

    Args:
        encoder: network to write.
        folder: receives ``model.safetensors``, ``config.json`` and the card, ``README.md``.
        record: record of the run, from `Run.finish`.
        more: ``songs`` and ``scores``, as for `model_card`.
    """
    folder = Path(folder)
    (folder / "README.md").unlink(missing_ok=True)  # `save_pretrained` keeps an existing card
    corpus = Path(record["corpus"]["folder"]) / "corpus.json"
    source = read_json(corpus)["source"] if corpus.is_file() else {}
    text = model_card(record, source, **more)
    encoder.save_pretrained(folder, model_card_kwargs={"text": text})


def model_card(
    record: dict[str, Any],
    source: dict[str, Any],
    songs: dict[str, int] | None = None,
    scores: dict[str, Any] | None = None,
) -> str:
    """The card of an encoder: Markdown with the metadata header of the Hub.

    Args:
        record: record of the run: parameters, corpus, instruments, commit, versions, device.
        source: entry of ``corpus.json`` with origin and licence of the data.
        songs: number of songs by split.
        scores: on the test songs, as in ``metrics.json``.
    """
    scores = scores or {}
    shown = {name: scores[name] for name in SCORES if name in scores}
    shown |= {f"F1 of {name}": value for name, value in scores.get("per_class_f1", {}).items()}
    return _render(
        ENCODER_CARD,
        ["contrastive", *TAGS],
        record,
        source,
        songs=_counts(songs or {}) or "not stated",
        note=source.get("note"),
        scores=shown,
    )


def song_card(
    record: dict[str, Any],
    source: dict[str, Any],
    songs: dict[str, int],
    scores: dict[str, dict[str, Any]],
) -> str:
    """The card of CAMIL+: Markdown with the metadata header of the Hub.

    Args:
        record, source: as for `model_card`.
        songs: number of songs by split.
        scores: scores by level, as in ``metrics.json``.
    """
    return _render(
        SONG_CARD,
        TAGS,
        record,
        source,
        total=sum(songs.values()),
        songs=_counts(songs),
        origins=_listed(source.get("origins", "")),
        scores=scores,
    )


def _render(
    template: str, tags: list[str], record: dict[str, Any], source: dict[str, Any], **more: Any
) -> str:
    names = recorded_instruments(record).names
    card = ModelCard.from_template(
        ModelCardData(library_name="camil", tags=tags),
        template_str=template,
        record=record,
        corpus=record["corpus"],
        licence=_listed(source.get("licence", "not stated")),
        classes=len(names),
        instruments=", ".join(names),
        settings={k: value for k, value in record["parameters"].items() if k not in PATHS},
        **more,
    )
    return f"{str(card).rstrip()}\n"


def _counts(songs: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in songs.items())


def _listed(names: str | list[str]) -> str:
    return names if isinstance(names, str) else ", ".join(names)
