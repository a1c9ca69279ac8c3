"""An encoder for others: its weights, and a card that says what it was made from."""

from pathlib import Path
from typing import Any

from camil.encoders.resnet import MIDIEncoder
from camil.midi.instruments import INSTRUMENTS
from camil.workbook.files import read_json


def share(encoder: MIDIEncoder, folder: Path | str, record: dict[str, Any], **about: Any) -> None:
    """Write an encoder as `MIDIEncoder.from_pretrained` and the Hugging Face Hub take it.

    Args:
        folder: gets `model.safetensors`, `config.json` and the card, `README.md`.
        record: of the run, from `Run.finish`.
        about: what else `model_card` is to tell.
    """
    folder = Path(folder)
    (folder / "README.md").unlink(missing_ok=True)  # an older card would be left as it is
    corpus = Path(record["corpus"]["folder"]) / "corpus.json"
    source = read_json(corpus)["source"] if corpus.is_file() else {}
    text = model_card(record, source, **about)
    encoder.save_pretrained(folder, model_card_kwargs={"text": text})


def model_card(
    record: dict[str, Any],
    source: dict[str, Any],
    songs: dict[str, int] | None = None,
    scores: dict[str, Any] | None = None,
) -> str:
    """A model card, in Markdown with the header that the Hub reads.

    Args:
        record: of the run: parameters, corpus, commit, versions.
        source: from `corpus.json`: where the data come from and their licence.
        songs: how many songs are in each split.
        scores: on the test songs, as in `metrics.json`.
    """
    data = record["corpus"]
    # Folders of one machine tell others nothing.
    own = {"corpus", "run", "pretrained", "pretrained_audio", "device"}
    settings = {name: value for name, value in record["parameters"].items() if name not in own}
    split = ", ".join(f"{count} {name}" for name, count in (songs or {}).items()) or "not stated"
    lines = [
        "---",
        "library_name: camil",
        "tags: [music, midi, symbolic-music, contrastive-learning, instrument-classification]",
        "---",
        "# A CAMIL MIDI encoder",
        "",
        "Two measures of one part's notes, a piano roll of 84 pitches (C1 to B7) by 192 steps (24 "
        "a quarter note), become one embedding. Contrastive audio-MIDI learning: Sawada, "
        "*Contrastive Audio-MIDI Learning for Symbolic-domain Musical Instrument Classification*.",
        "",
        "```python",
        "from camil import MIDIEncoder",
        'encoder = MIDIEncoder.from_pretrained("this folder, or its id on the Hub")',
        "```",
        "## Data",
        f"- corpus: {data['source']}, segments with SHA-256 `{data['sha256']}`",
        f"- licence of the data: {_listed(source.get('licence', 'not stated'))}",
        f"- songs: {split}; split by song, a song's duplicates on one side",
        *([f"- {source['note']}"] if "note" in source else []),
        "## Scores on the test songs",
        *_score_lines(scores),
        "## Training",
        *(f"- {name}: `{value}`" for name, value in settings.items()),
        f"- code: commit `{record['commit']}`, torch {record['versions']['torch']}, "
        f"on {record['device']}",
    ]
    return "\n".join(lines) + "\n"


def song_card(
    record: dict[str, Any],
    source: dict[str, Any],
    songs: dict[str, int],
    scores: dict[str, dict[str, Any]],
) -> str:
    """A model card of CAMIL+, in Markdown.

    Args:
        record, source: as for `model_card`.
        songs: how many songs are in each split.
        scores: of each level, as in `metrics.json`.
    """
    data = record["corpus"]
    settings = {name: value for name, value in record["parameters"].items()
                if name not in ("corpus", "run", "device")}  # fmt: skip
    lines = [
        "# CAMIL+: which instrument a part of a song was written for",
        "",
        "Reads the notes of all parts of a song, no sound and no program, and says of each part "
        f"which of {len(INSTRUMENTS)} families plays it: {', '.join(INSTRUMENTS)}. Synthesizers, "
        "percussion and sound effects are none of them, and are taken for one all the same.",
        "",
        "```python",
        "from camil import label, track_labels",
        "",
        'track_labels(label("song.mid", pretrained="the folder of songs.safetensors"))',
        "```",
        "## Data",
        f"- {sum(songs.values())} songs, split by song, a song's duplicates on one side: "
        + ", ".join(f"{count} {name}" for name, count in songs.items()),
        f"- segments with SHA-256 `{data['sha256']}`",
        f"- licences: {_listed(source.get('licence', 'not stated'))}",
        *([f"- from: {_listed(source['origins'])}"] if source.get("origins") else []),
        "## Scores on the test songs",
        "Macro-F1; probabilities are calibrated on the validation songs.",
        "",
        "| read from | by segment | by track |",
        "|---|--:|--:|",
        *(f"| the {level} | {found['macro_f1']:.3f} | {found['track_macro_f1']:.3f} |"
          for level, found in scores.items()),
        "## Training",
        *(f"- {name}: `{value}`" for name, value in settings.items()),
        f"- code: commit `{record['commit']}`, torch {record['versions']['torch']}, "
        f"on {record['device']}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _listed(names: str | list[str]) -> str:
    return names if isinstance(names, str) else ", ".join(names)


def _score_lines(scores: dict[str, Any] | None) -> list[str]:
    if not scores:
        return ["Not classified yet."]
    names = ("macro_f1", "weighted_f1", "accuracy", "track_macro_f1")
    lines = [f"- {name}: {scores[name]:.4f}" for name in names if name in scores]
    per_class = scores.get("per_class_f1", {})
    return [*lines, *(f"- F1 of {name}: {value:.4f}" for name, value in per_class.items())]
