"""Registries: the sources, losses, encoders and samplers that can be chosen by name."""

from collections.abc import Iterator, MutableMapping
from importlib.metadata import entry_points
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(MutableMapping[str, T], Generic[T]):
    """A mapping from names to classes that installed packages can extend.

    A package adds an entry by an entry point, which is imported when it is first used:

        [project.entry-points."camil.losses"]
        mine = "my_package:MyLoss"

    Args:
        group: the group of entry points, for example ``camil.losses``.
        entries: the built-in entries. Entry points of the same name do not replace them.
    """

    def __init__(self, group: str, entries: dict[str, T]):
        self._entries = dict(entries)
        self._points = {point.name: point for point in entry_points(group=group)}
        self._group = group

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            if name not in self._points:
                raise KeyError(f"{self._group} has no {name!r}, only {', '.join(self)}")
            self._entries[name] = self._points[name].load()
        return self._entries[name]

    def __setitem__(self, name: str, entry: T) -> None:
        self._entries[name] = entry

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries | self._points)

    def __len__(self) -> int:
        return len(self._entries | self._points)
