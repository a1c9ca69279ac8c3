"""The result of one classifier that was trained on the labels of a share of the songs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """The predictions of one classifier for all test segments.

    Attributes:
        condition: name of the row in the table.
        train_fraction: share of the training songs whose labels were used, 0 to 1.
        draw: random seed of the choice of songs.
        songs, segments: number of labelled songs and segments.
        absent: classes of the corpus without a labelled segment; they are never predicted.
        best_epoch: the epoch that was kept; 0 for a probe or trees.
        macro_f1: on the test segments.
        predicted: index of the predicted class of each test segment.
        strength: of the correction of class bias, see `camil.evaluation.class_bias`; chosen on the
            validation segments.
        corrected_macro_f1, corrected: as ``macro_f1`` and ``predicted``, after the correction.
    """

    condition: str
    train_fraction: float
    draw: int
    songs: int
    segments: int
    absent: list[str]
    best_epoch: int
    macro_f1: float
    predicted: list[int]
    strength: float
    corrected_macro_f1: float
    corrected: list[int]

    def __str__(self) -> str:
        kept = f", epoch {self.best_epoch}" if self.best_epoch else ""
        return (
            f"{self.condition}, {100 * self.train_fraction:g} % of the labels "
            f"({self.segments} segments), draw {self.draw}: macro-F1 {self.macro_f1:.3f}{kept}"
        )
