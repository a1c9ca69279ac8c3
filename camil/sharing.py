"""An encoder for others: its weights, and a card that says what it was made from."""

from pathlib import Path
from typing import Any

from camil.encoders import MIDIEncoder
from camil.runs import read_json


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
    licences = source.get("licence", "not stated")
    licences = licences if isinstance(licences, str) else ", ".join(licences)
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
        f"- licence of the data: {licences}",
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


def _score_lines(scores: dict[str, Any] | None) -> list[str]:
    if not scores:
        return ["Not classified yet."]
    names = ("macro_f1", "weighted_f1", "accuracy", "track_macro_f1")
    lines = [f"- {name}: {scores[name]:.4f}" for name in names if name in scores]
    per_class = scores.get("per_class_f1", {})
    return [*lines, *(f"- F1 of {name}: {value:.4f}" for name, value in per_class.items())]
