"""Checks of a profile: a YAML file in ``config/`` with the data and the runs of the graph."""

import re
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from pathlib import Path
from typing import Any

from camil.workbook.parameters import (
    ParameterError,
    check_type,
    declared_types,
    parameter_cells,
    unknown_name,
)
from camil.workbook.start import all_exist
from camil.workbook.valid_values import CHECKS

NOTEBOOKS = {
    "preprocess": "01_preprocess",
    "pretrain": "02_pretrain",
    "classify": "03_classify",
}
# An optional stage with runs.
SOUND = {"sound": "02c_sound"}
NEEDED = ("name", "seeds", "threads", "cell_timeout", "shown", *NOTEBOOKS)
# Optional sections; each holds parameters of its notebook, or nothing.
OPTIONAL = {
    "baselines": "08_baselines",
    "questions": "09_questions",
    "transfer": "10_transfer",
    "songs": "11_songs",
}
KNOWN = (
    *NEEDED,
    *SOUND,
    *OPTIONAL,
    "source",
    "label",
    "audit",
    "gpus",
    "shards",
    "shard_threads",
    "corpus",
    "corpora",
)
# Entries that are whole numbers, with the least value.
WHOLE = {"threads": 1, "cell_timeout": 1, "gpus": 0, "shards": 1, "shard_threads": 1}
# Soundfonts that the graph replaces by those in the environment variable UNSEEN.
PLACEHOLDER = ["UNSEEN"]
# Names become parts of paths, of lists with commas and of patterns.
NAME = re.compile(r"[\w .-]+")
# Parameters that the graph sets.
SET_BY_GRAPH = ("corpus", "run", "runs", "source", "figure", "figures", "seed")
# Exceptions, each with whether it is in preprocessing: a corpus may have its own seed, and a run
# may be trained on another of the profile's corpora.
SET_BY_PROFILE = (("seed", True), ("corpus", False))
# The stages whose runs a parameter may name.
BUILDS_ON = {
    "pretrained": ("pretrain", "classify", "sound"),
    "pretrained_audio": ("classify", "sound"),
}


def check_profile(profile: dict[str, Any], notebooks: Path | str = "notebooks") -> None:
    """Check a profile against the notebooks' parameters, before any job starts.

    Args:
        profile: content of the YAML file.
        notebooks: folder of the notebooks, whose parameters cells declare names and types.

    Raises:
        ParameterError: if an entry is invalid; the message names it and the valid values.
    """
    check_form(profile)
    _check_source(profile)
    _check_labelled(profile)
    optional = {stage: name for stage, name in (SOUND | OPTIONAL).items() if stage in profile}
    for stage, notebook in (NOTEBOOKS | optional).items():
        types = declared_types(parameter_cells(Path(notebooks) / f"{notebook}.ipynb"))
        for entry, given in _settings(profile, stage).items():
            _check_settings(entry, given, types)
    _check_runs(profile)


def check_form(profile: dict[str, Any]) -> None:
    """Check a profile's entries, names, seeds and other numbers, but no parameters of notebooks.

    Raises:
        ParameterError: if an entry is missing, unknown or of another form.
    """
    for name in NEEDED:
        if name not in profile:
            raise ParameterError(f"The profile has no {name}; see config/demo.yaml for an example.")
    for name in profile:
        if name not in KNOWN:
            raise ParameterError(unknown_name(str(name), list(KNOWN)))
    for name, least in WHOLE.items():
        value = profile.get(name, least)
        if type(value) is not int or value < least:
            raise ParameterError(f"{name} = {value!r} must be a whole number, at least {least}.")
    seeds = profile["seeds"]
    whole = isinstance(seeds, list) and seeds and all(type(seed) is int for seed in seeds)
    if not whole or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ParameterError(
            f"seeds = {seeds!r} must be a list of different whole numbers, such as [0, 1]."
        )
    if not isinstance(profile["preprocess"], dict):
        raise ParameterError("preprocess must hold parameters, such as `dataset: demo`.")
    names = {"name": [profile["name"]], "corpora": _corpora(profile)}
    names |= {"corpus": [profile["corpus"]]} if "corpus" in profile else {}
    names |= {stage: runs_of(profile, stage) for stage in ("pretrain", "classify", *SOUND)}
    for entry, given in names.items():
        for name in given:
            if not (isinstance(name, str) and NAME.fullmatch(name)):
                raise ParameterError(
                    f"{entry}: {name!r} must be text of letters, digits, spaces, dots, _ and -."
                )


def runs_of(profile: dict[str, Any], stage: str) -> dict[str, dict[str, Any]]:
    """The runs of a stage by name, each with the parameters of all runs and its own.

    Args:
        profile: content of the YAML file.
        stage: "pretrain", "classify" or "sound"; without it, there are no runs.

    Raises:
        ParameterError: if the stage is of another form.
    """
    if stage not in profile:
        return {}
    block = _mapping(stage, profile[stage])
    if set(block) != {"all", "runs"}:
        found = ", ".join(map(str, block)) or "nothing"
        raise ParameterError(f"{stage} must contain `all` and `runs`, but contains {found}.")
    of_all = _mapping(f"{stage}: all", block["all"])
    runs = _mapping(f"{stage}: runs", block["runs"])
    return {name: of_all | _mapping(f"{stage}: {name}", given) for name, given in runs.items()}


def _mapping(entry: str, value: Any) -> dict[str, Any]:
    """The names and values of an entry; an entry without any is None in YAML."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ParameterError(f"{entry}: {value!r} must be names with values, or nothing.")
    return value


def _check_runs(profile: dict[str, Any]) -> None:
    stages = {stage: runs_of(profile, stage) for stage in ("pretrain", "classify", "sound")}
    for one, other in combinations(stages, 2):
        if both := stages[one].keys() & stages[other].keys():
            raise ParameterError(f"{', '.join(both)} names a run of {one} and one of {other}.")
    for stage, runs in stages.items():
        for name, given in runs.items():
            _check_references(profile, f"{stage}: {name}", given)
    _check_order(stages)
    for key, stage in (("camil", "pretrain"), ("sic", "classify")):
        name = (profile.get("transfer") or {}).get(key)
        if "transfer" in profile and name not in stages[stage]:
            raise ParameterError(f"transfer: {key} must name a run of {stage}, it is {name!r}.")
    if profile["shown"] not in list(stages["classify"]):
        raise ParameterError(f"shown: {profile['shown']} must be a run of classify.")
    space = stages["classify"][profile["shown"]].get("pretrained")
    if stages["pretrain"] and space not in stages["pretrain"]:
        raise ParameterError(
            f"shown: {profile['shown']} must be a run of classify that builds on one of pretrain, "
            "whose joint space can be drawn."
        )


def _check_order(stages: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Check that no run builds on itself, also not through others."""
    runs = {name: given for found in stages.values() for name, given in found.items()}
    below = {name: {given.get(key) for key in BUILDS_ON} for name, given in runs.items()}
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        raise ParameterError(f"A run builds on itself: {' on '.join(error.args[1])}.") from None


def _check_source(profile: dict[str, Any]) -> None:
    dataset = profile["preprocess"].get("dataset", "demo")
    source = profile.get("source", "")
    downloaded = source and profile["preprocess"].get("download")
    if dataset != "demo" and not downloaded and not (source and Path(source).exists()):
        raise ParameterError(
            f"source = {source!r} is not a folder, and dataset {dataset!r} is read from one; name "
            "it in the profile, or with make figures SOURCE=folder."
        )


def _check_labelled(profile: dict[str, Any]) -> None:
    """Check that what is labelled in the end exists, or is in a corpus, which may not be made."""
    for entry in "label", "audit":
        path = profile.get(entry, "corpora")
        made = isinstance(path, str) and Path(path).parts[:1] == ("corpora",)
        if not made and not (isinstance(path, str) and path and Path(path).exists()):
            raise ParameterError(
                f"{entry} = {path!r} does not exist; name a MIDI file or a folder."
            )


def _corpora(profile: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The parameters in which each further corpus differs from ``preprocess``, by name."""
    further = profile.get("corpora", {})
    if not (isinstance(further, dict) and all(isinstance(g, dict) for g in further.values())):
        raise ParameterError(
            "corpora must name each further corpus with the parameters in which it differs from "
            "preprocess, such as `notes-only: {audio: false}`."
        )
    return further


def _settings(profile: dict[str, Any], stage: str) -> dict[str, dict[str, Any]]:
    """All parameters that a profile gives to a stage, by entry of the profile."""
    block = profile[stage]
    if stage in OPTIONAL:
        return {stage: _mapping(stage, block)}
    if stage == "preprocess":
        further = {f"corpora: {name}": given for name, given in _corpora(profile).items()}
        return {stage: block} | further
    runs = {f"{stage}: {name}": given or {} for name, given in (block["runs"] or {}).items()}
    return {f"{stage}: all": block["all"] or {}} | runs


def _check_settings(entry: str, given: dict[str, Any], types: dict[str, str]) -> None:
    preprocessing = not entry.startswith(("pretrain", "classify", "sound"))
    for name, value in given.items():
        if name not in types:
            raise ParameterError(f"{entry}: {unknown_name(name, list(types))}")
        if name in SET_BY_GRAPH and (name, preprocessing) not in SET_BY_PROFILE:
            raise ParameterError(f"{entry}: {name} is set by the graph; leave it out here.")
        try:
            check_type(name, value, types[name])
        except ParameterError as error:
            raise ParameterError(f"{entry}: {error}") from None
        if name in CHECKS and (problem := CHECKS[name](value)):
            raise ParameterError(f"{entry}: {name} = {value!r} {problem}.")
        if name == "soundfonts" and value != PLACEHOLDER and (problem := all_exist(value)):
            raise ParameterError(f"{entry}: {name} = {value!r} {problem}.")


def _check_references(profile: dict[str, Any], entry: str, given: dict[str, Any]) -> None:
    """Check that a run names corpora and runs of the same profile."""
    corpora = [profile.get("corpus", profile["name"]), *_corpora(profile)]
    if given.get("corpus", corpora[0]) not in corpora:
        raise ParameterError(
            f"{entry}: corpus names {given['corpus']}, which this profile does not make; there are "
            f"{', '.join(corpora)}."
        )
    for key, stages in BUILDS_ON.items():
        known = [name for stage in stages for name in runs_of(profile, stage)]
        if given.get(key) and given[key] not in known:
            raise ParameterError(
                f"{entry}: {key} names {given[key]}, which is not a run of this profile; there are "
                f"{', '.join(known)}."
            )
    teacher = runs_of(profile, "classify").get(given.get("pretrained_audio", ""), {})
    if teacher and teacher.get("modality") != "audio":
        raise ParameterError(
            f"{entry}: pretrained_audio names {given['pretrained_audio']}, which reads notes; name "
            "a run of classify with modality: audio, or one of sound."
        )
