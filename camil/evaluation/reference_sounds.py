"""Reference sounds of General MIDI programs, and programs ranked by their distance.

The reference sound of a program is the mean embedding of the audio of a few of its segments. A
track is assigned to the program whose reference sound is nearest to the mean embedding of its
segments. All means are scaled to length 1.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from camil.corpus.corpus import Corpus
from camil.encoders.hub import Encoder
from camil.midi.instruments import InstrumentTable
from camil.training.embed import embed


def reference_rows(
    table: pd.DataFrame, program: int, segments: int = 5, seed: int = 0
) -> NDArray[np.int64]:
    """Draw the segments of a program's reference sound, each of another track.

    Args:
        table: `Corpus.table`.
        program: General MIDI program, 0 to 127.
        segments: largest number of segments; fewer if there are fewer tracks.
        seed: random seed. The draw of one program does not depend on the others.

    Returns:
        ``(segments,)`` rows of training songs, ascending.

    Raises:
        ValueError: if no training song has the program.
    """
    rows = np.flatnonzero((table["program"] == program) & (table["split"] == "train"))
    if not len(rows):
        raise ValueError(
            f"program {program} has no reference sound, because no training song of the corpus "
            "has it; leave out programs that occur."
        )
    shuffled = np.random.default_rng([seed, program]).permutation(rows)
    repeated = table.iloc[shuffled].duplicated(["song", "track"]).to_numpy()
    return np.sort(shuffled[~repeated][:segments])


def unit_means(points: ArrayLike, groups: ArrayLike) -> pd.DataFrame:
    """The mean point of each group, scaled to length 1; the zero vector stays zero.

    Shape:
        points: ``(points, embedding)``. groups: ``(points,)``, the name of each point's group.

    Returns:
        One row per group, sorted by its name; one column per dimension.
    """
    means = pd.DataFrame(np.asarray(points, dtype=np.float64))
    means = means.groupby(np.asarray(groups), sort=True).mean()
    lengths = np.linalg.norm(means, axis=1)
    return means.div(np.maximum(lengths, 1e-12), axis=0)


def points_of(encoder: Encoder, data: Corpus, rows: ArrayLike) -> NDArray[np.float64]:
    """Embeddings of segments, by their notes or their audio as the encoder needs it.

    Args:
        encoder: MIDI or audio encoder.
        data: corpus, with audio if that is what the encoder reads.
        rows: ``(rows,)`` int64.

    Returns:
        ``(rows, embedding)``.
    """
    draw = data.rolls if encoder.modality == "midi" else data.mels
    chosen = torch.tensor(np.asarray(rows), device=data.device)
    return embed(encoder, draw, chosen).cpu().double().numpy()


def reference_segments(table: pd.DataFrame, segments: int = 5, seed: int = 0) -> pd.Series:
    """The rows of the reference segments of each program in the training songs.

    Args:
        table: `Corpus.table`.
        segments, seed: as for `reference_rows`.

    Returns:
        Rows, indexed by the program, in its order.
    """
    programs = np.unique(table.loc[table["split"] == "train", "program"]).tolist()
    drawn = {program: reference_rows(table, program, segments, seed) for program in programs}
    return pd.concat([pd.Series(rows, [program] * len(rows)) for program, rows in drawn.items()])


def family_sounds(
    sounds: pd.DataFrame, programs: Sequence[int], instruments: InstrumentTable
) -> pd.DataFrame:
    """For each program left out, the mean sound of its family's programs that were not.

    Args:
        sounds: the reference sound of each program, one row per program.
        programs: the programs left out.
        instruments: the families.

    Returns:
        One row per program left out; NaN if its family has no other program.
    """
    seen = sounds[~sounds.index.isin(programs)]
    means = unit_means(seen, [str(instruments.of_program(program)) for program in seen.index])
    families = [str(instruments.of_program(program)) for program in programs]
    return means.reindex(families).set_axis(pd.Index(programs))


def nearness(points: pd.DataFrame, sounds: pd.DataFrame) -> NDArray:
    """Negative Euclidean distance of each point to each sound; minus infinity where one is NaN.

    Shape:
        points: ``(tracks, embedding)``. sounds: ``(candidates, embedding)``. Returns
        ``(tracks, candidates)``.
    """
    return np.nan_to_num(-cdist(points, sounds), nan=-np.inf)


def ranked(tracks: pd.DataFrame, likeness: NDArray, candidates: Sequence[int]) -> pd.DataFrame:
    """Rank of each track's own program among candidates, and the likeliest one.

    The rank is the number of candidates that are at least as likely as the own program, which is
    one of them. Ties count against it.

    Args:
        tracks: one row per track with its ``program``.
        likeness: the larger, the likelier is a candidate.
        candidates: programs, among them those of all tracks.

    Shape:
        likeness: ``(tracks, candidates)``.

    Returns:
        ``tracks`` with the columns ``rank``, from 1, and ``predicted``, a program.
    """
    names = np.asarray(candidates)
    own = (names == tracks["program"].to_numpy()[:, None]).argmax(axis=1)
    of_own = np.take_along_axis(likeness, own[:, None], axis=1)
    return tracks.assign(
        rank=(likeness >= of_own).sum(axis=1), predicted=names[likeness.argmax(axis=1)]
    )
