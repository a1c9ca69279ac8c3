"""Other notes that the same instrument might have played: drawn anew each time a segment is seen.

Every random number is computed on the notes' device from a seed a segment and the number of the
note, so a segment's change depends on nothing but its seed: not on the batch it is in, nor on the
process or the kind of device that draws it.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from camil.midi.segments import LOWEST_PITCH, PITCHES, SEGMENT_STEPS


@dataclass(frozen=True)
class Augmentation:
    """How far notes may be changed; the defaults change nothing.

    Args:
        transpose: semitones up or down at most, the same for all notes of a segment. Kept small it
            stays within an instrument's register, which tells more about it than the key does.
        note_dropout: chance of each note to be left out; one that a segment cannot lose stays.
        tempo: share by which a segment is stretched or squeezed at most, 0.1 being a tenth; what
            then reaches beyond the two measures is cut.
        velocity: share by which each note's velocity is changed at most; seen only where rolls show
            velocities.

    Raises:
        ValueError: if a value is out of its range.
    """

    transpose: int = 0
    note_dropout: float = 0.0
    tempo: float = 0.0
    velocity: float = 0.0

    def __post_init__(self):
        if not 0 <= self.transpose < PITCHES:
            raise ValueError(
                f"transpose must lie between 0 and {PITCHES - 1}, got {self.transpose}"
            )
        for name in ("note_dropout", "tempo", "velocity"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be at least 0 and below 1, got {getattr(self, name)}"
                )

    def __call__(self, notes: Tensor, counts: Tensor, seeds: Tensor) -> Tensor:
        """Change notes.

        Shape:
            notes: ``(notes, 4)`` of integers, pitch, step, length and velocity, segment after
            segment; counts: ``(segments,)``, the notes of each; seeds: ``(segments,)`` of int64;
            returns as many notes, dropped ones with length 0.
        """
        segments = len(counts)
        begins = torch.cumsum(counts, 0) - counts
        row = torch.repeat_interleave(
            torch.arange(segments, device=notes.device), counts, output_size=len(notes)
        )
        number = torch.arange(len(notes), device=notes.device) - begins[row]
        pitch, step, length, velocity = notes.long().unbind(1)
        pitch = pitch + self._shift(pitch, row, seeds)
        if self.tempo:
            factor = 1 + self.tempo * (2 * uniform(seeds, 2) - 1)[row]
            end = ((step + length) * factor).round().long().clamp(max=SEGMENT_STEPS)
            step = (step * factor).round().long()
            length = torch.maximum(end - step, torch.ones_like(step))
            length = torch.where(step < SEGMENT_STEPS, length, 0)
            step = step.clamp(max=SEGMENT_STEPS - 1)
        if self.velocity:
            change = 2 * uniform(seeds[row], 2 * number + 4) - 1
            velocity = (velocity * (1 + self.velocity * change)).round().long().clamp(1, 127)
        if self.note_dropout:
            stays = uniform(seeds[row], 2 * number + 5) >= self.note_dropout
            length = torch.where(stays | (number == 0), length, 0)
        return torch.stack([pitch, step, length, velocity], dim=1)

    def _shift(self, pitch: Tensor, row: Tensor, seeds: Tensor) -> Tensor:
        """Semitones for each note, so that no note of a segment leaves the 84 pitches."""
        if not self.transpose:
            return torch.zeros_like(pitch)
        ends = torch.full((2, len(seeds)), -1000, device=pitch.device)
        top, bottom = ends.scatter_reduce(
            1, row.expand(2, -1), torch.stack([pitch, -pitch]), "amax", include_self=True
        )
        up = (LOWEST_PITCH + PITCHES - 1 - top).clamp(0, self.transpose)
        down = (-bottom - LOWEST_PITCH).clamp(0, self.transpose)
        drawn = (uniform(seeds, 1) * (up + down + 1)).long().clamp(max=up + down) - down
        return drawn[row]


def draw_seeds(segments: int, generator: Generator) -> Tensor:
    """A seed for each segment of a batch, ``(segments,)`` of int64, on the generator's device."""
    return torch.randint(2**62, (segments,), generator=generator, device=generator.device)


def uniform(seeds: Tensor, number: Tensor | int) -> Tensor:
    """The ``number``-th random number of each seed, in [0, 1), of float32.

    SplitMix64 (Steele, Lea & Flood, 2014): a counter, times an odd constant, well mixed. Integers
    wrap around and give the same on every device.
    """
    step = _signed(0x9E3779B97F4A7C15)
    x = seeds + (number * step if isinstance(number, Tensor) else _signed(number * step))
    x = (x ^ _shifted(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shifted(x, 27)) * _signed(0x94D049BB133111EB)
    x = x ^ _shifted(x, 31)
    return _shifted(x, 40).float() / 2**24


def _signed(number: int) -> int:
    """The number modulo 2^64, as int64 writes it."""
    return (number + 2**63) % 2**64 - 2**63


def _shifted(x: Tensor, places: int) -> Tensor:
    """To the right, with zeros coming in from the left."""
    return (x >> places) & ((1 << (64 - places)) - 1)
