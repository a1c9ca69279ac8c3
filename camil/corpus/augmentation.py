"""Data augmentation of notes: random changes that keep the instrument plausible, for each batch.

Every random number is computed on the notes' device from a seed per segment and the index of the
note. A segment's change therefore depends only on its seed, and not on the batch, the process or
the kind of device.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from camil.midi.segments import LOWEST_PITCH, PITCHES, SEGMENT_STEPS


@dataclass(frozen=True)
class Augmentation:
    """Limits of the changes; the defaults change nothing.

    Args:
        transpose: largest shift in semitones, the same for all notes of a segment. A small one
            stays within an instrument's register, which depends more on the instrument than the key
            does.
        note_dropout: probability that a note is dropped; a segment's first note is kept.
        tempo: largest relative change of a segment's length, 0.1 for a tenth; notes beyond the two
            measures are cut off.
        velocity: largest relative change of each note's velocity; it has an effect only in rolls
            with velocities.

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
            notes: ``(notes, 4)`` integers: pitch, step, length and velocity, segment after segment.
            counts: ``(segments,)``, the number of notes of each. seeds: ``(segments,)`` int64.
            Returns as many notes; dropped ones have length 0.
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
        """Semitones per note, such that no note of a segment leaves the 84 pitches."""
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
    """A seed per segment of a batch: ``(segments,)`` int64, on the generator's device."""
    return torch.randint(2**62, (segments,), generator=generator, device=generator.device)


def uniform(seeds: Tensor, number: Tensor | int) -> Tensor:
    """The ``number``-th random number of each seed, float32 in [0, 1).

    SplitMix64 (Steele, Lea & Flood, 2014): a counter times an odd constant, mixed. Integer
    arithmetic modulo 2^64 gives the same result on every device.
    """
    step = _signed(0x9E3779B97F4A7C15)
    x = seeds + (number * step if isinstance(number, Tensor) else _signed(number * step))
    x = (x ^ _shifted(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shifted(x, 27)) * _signed(0x94D049BB133111EB)
    x = x ^ _shifted(x, 31)
    return _shifted(x, 40).float() / 2**24


def _signed(number: int) -> int:
    """The number modulo 2^64 as a signed integer."""
    return (number + 2**63) % 2**64 - 2**63


def _shifted(x: Tensor, bits: int) -> Tensor:
    """Shift to the right, filled with zeros."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
