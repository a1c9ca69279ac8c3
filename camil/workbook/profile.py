"""Checks of a profile: a YAML file in ``config/`` with the data and the runs of the graph."""

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
    for name in NEEDED:
        if name not in profile:
            raise ParameterError(f"The profile has no {name}; see config/demo.yaml for an example.")
    for name in profile:
        if name not in KNOWN:
            raise ParameterError(unknown_name(name, list(KNOWN)))
    _check_source(profile)
    seeds = profile["seeds"]
    if not (isinstance(seeds, list) and seeds and all(type(seed) is int for seed in seeds)):
        raise ParameterError(f"seeds = {seeds!r} must be a list of whole numbers, such as [0, 1].")
    optional = {stage: name for stage, name in (SOUND | OPTIONAL).items() if stage in profile}
    for stage, notebook in (NOTEBOOKS | optional).items():
        types = declared_types(parameter_cells(Path(notebooks) / f"{notebook}.ipynb"))
        for entry, given in _settings(profile, stage).items():
            _check_settings(entry, given, types)
    _check_runs(profile)


def _check_runs(profile: dict[str, Any]) -> None:
    stages = {stage: _runs(profile, stage) for stage in ("pretrain", "classify", "sound")}
    for one, other in combinations(stages, 2):
        if both := stages[one].keys() & stages[other].keys():
            raise ParameterError(f"{', '.join(both)} names a run of {one} and one of {other}.")
    for stage, runs in stages.items():
        for name, given in runs.items():
            _check_references(profile, f"{stage}: {name}", given or {})
    for key, stage in (("camil", "pretrain"), ("sic", "classify")):
        name = (profile.get("transfer") or {}).get(key)
        if "transfer" in profile and name not in profile[stage]["runs"]:
            raise ParameterError(f"transfer: {key} must name a run of {stage}, it is {name!r}.")
    if profile["shown"] not in profile["classify"]["runs"]:
        raise ParameterError(f"shown: {profile['shown']} must be a run of classify.")
    space = (profile["classify"]["runs"][profile["shown"]] or {}).get("pretrained")
    if profile["pretrain"]["runs"] and space not in profile["pretrain"]["runs"]:
        raise ParameterError(
            f"shown: {profile['shown']} must be a run of classify that builds on one of pretrain, "
            "whose joint space can be drawn."
        )


def _runs(profile: dict[str, Any], stage: str) -> dict[str, dict[str, Any] | None]:
    """The runs of a stage, none if the profile has no such stage."""
    return profile.get(stage, {}).get("runs", {})


def _check_source(profile: dict[str, Any]) -> None:
    dataset = profile["preprocess"].get("dataset", "demo")
    source = profile.get("source", "")
    downloaded = source and profile["preprocess"].get("download")
    if dataset != "demo" and not downloaded and not (source and Path(source).exists()):
        raise ParameterError(
            f"source = {source!r} is not a folder, and dataset {dataset!r} is read from one; name "
            "it in the profile, or with make figures SOURCE=folder."
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
        return {stage: block or {}}
    if stage == "preprocess":
        further = {f"corpora: {name}": given for name, given in _corpora(profile).items()}
        return {stage: block} | further
    if set(block) != {"all", "runs"}:
        raise ParameterError(
            f"{stage} must contain `all` and `runs`, but contains {', '.join(block)}."
        )
    runs = {f"{stage}: {name}": given or {} for name, given in block["runs"].items()}
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


def _check_references(profile: dict[str, Any], entry: str, given: dict[str, Any]) -> None:
    """Check that a run names corpora and runs of the same profile."""
    corpora = [profile.get("corpus", profile["name"]), *_corpora(profile)]
    if given.get("corpus", corpora[0]) not in corpora:
        raise ParameterError(
            f"{entry}: corpus names {given['corpus']}, which this profile does not make; there are "
            f"{', '.join(corpora)}."
        )
    for key, stages in BUILDS_ON.items():
        known = [name for stage in stages for name in _runs(profile, stage)]
        if given.get(key) and given[key] not in known:
            raise ParameterError(
                f"{entry}: {key} names {given[key]}, which is not a run of this profile; there are "
                f"{', '.join(known)}."
            )
