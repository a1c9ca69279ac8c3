"""A profile: the file in `config/` that says on which data the graph runs which conditions."""

import json
from pathlib import Path
from typing import Any

from camil.workbook.parameters import (
    CHECKS,
    ParameterError,
    check_type,
    declared_types,
    unknown_name,
)

NOTEBOOKS = {
    "preprocess": "01_preprocess",
    "pretrain": "02_pretrain",
    "classify": "03_classify",
}
NEEDED = ("name", "seeds", "threads", "cell_timeout", "shown", *NOTEBOOKS)
# What a profile may ask for beside; each holds parameters of its notebook, or nothing.
FURTHER = {
    "floors": "08_floors",
    "questions": "09_questions",
    "transfer": "10_transfer",
    "songs": "11_songs",
}
KNOWN = (
    *NEEDED,
    *FURTHER,
    "source",
    "label",
    "gpus",
    "shards",
    "shard_threads",
    "corpus",
    "corpora",
)
# What the graph itself tells each notebook.
BY_THE_GRAPH = ("corpus", "run", "runs", "source", "figure", "figures", "seed")
# A run may be trained on another of the profile's corpora.
LEFT_TO_THE_PROFILE = (("seed", True), ("corpus", False))
BUILDS_ON = {"pretrained": ("pretrain", "classify"), "pretrained_audio": ("classify",)}


def check_profile(profile: dict[str, Any], notebooks: Path | str = "notebooks") -> None:
    """See, before any job starts, that every notebook will know what the profile tells it.

    Args:
        profile: the content of the profile.
        notebooks: the folder of the notebooks, whose parameter cells say what there is to set.

    Raises:
        ParameterError: naming the entry, and what would be right.
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
    asked = {stage: notebook for stage, notebook in FURTHER.items() if stage in profile}
    for stage, notebook in (NOTEBOOKS | asked).items():
        types = declared_types(_parameters_cell(Path(notebooks) / f"{notebook}.ipynb"))
        for place, given in _settings(profile, stage).items():
            _check_settings(place, given, types)
    if both := set(profile["pretrain"]["runs"]) & set(profile["classify"]["runs"]):
        raise ParameterError(f"{', '.join(both)} names a run of pretrain and one of classify.")
    for stage in ("pretrain", "classify"):
        for name, given in profile[stage]["runs"].items():
            _check_references(profile, f"{stage}: {name}", given or {})
    for place, key, stage in (("transfer", "camil", "pretrain"), ("transfer", "sic", "classify")):
        name = (profile.get(place) or {}).get(key)
        if place in profile and name not in profile[stage]["runs"]:
            raise ParameterError(f"{place}: {key} must name a run of {stage}, it is {name!r}.")
    if profile["shown"] not in profile["classify"]["runs"]:
        raise ParameterError(f"shown: {profile['shown']} must be a run of classify.")
    space = (profile["classify"]["runs"][profile["shown"]] or {}).get("pretrained")
    if profile["pretrain"]["runs"] and space not in profile["pretrain"]["runs"]:
        raise ParameterError(
            f"shown: {profile['shown']} must be a run of classify that builds on one of pretrain, "
            "whose joint space can be drawn."
        )


def _check_source(profile: dict[str, Any]) -> None:
    dataset = profile["preprocess"].get("dataset", "demo")
    source = profile.get("source", "")
    fetched = source and profile["preprocess"].get("download")
    if dataset != "demo" and not fetched and not (source and Path(source).is_dir()):
        raise ParameterError(
            f"source = {source!r} is not a folder, and dataset {dataset!r} is read from one; name "
            "it in the profile, or with make figures SOURCE=folder."
        )


def _corpora(profile: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The further corpora: a name, and in what it differs from `preprocess`."""
    further = profile.get("corpora", {})
    if not (isinstance(further, dict) and all(isinstance(g, dict) for g in further.values())):
        raise ParameterError(
            "corpora must name each further corpus with what it has other than `preprocess`, such "
            "as `notes-only: {audio: false}`."
        )
    return further


def _settings(profile: dict[str, Any], stage: str) -> dict[str, dict[str, Any]]:
    """Each block of parameters that a stage is given, by its place in the profile."""
    block = profile[stage]
    if stage in FURTHER:
        return {stage: block or {}}
    if stage == "preprocess":
        further = {f"corpora: {name}": given for name, given in _corpora(profile).items()}
        return {stage: block} | further
    if set(block) != {"all", "runs"}:
        raise ParameterError(f"{stage} must hold `all` and `runs`, it holds {', '.join(block)}.")
    runs = {f"{stage}: {name}": given or {} for name, given in block["runs"].items()}
    return {f"{stage}: all": block["all"] or {}} | runs


def _check_settings(place: str, given: dict[str, Any], types: dict[str, str]) -> None:
    for name, value in given.items():
        if name not in types:
            raise ParameterError(f"{place}: {unknown_name(name, list(types))}")
        preprocessing = not place.startswith(("pretrain", "classify"))
        if name in BY_THE_GRAPH and (name, preprocessing) not in LEFT_TO_THE_PROFILE:
            raise ParameterError(f"{place}: {name} is set by the graph; leave it out here.")
        try:
            check_type(name, value, types[name])
        except ParameterError as error:
            raise ParameterError(f"{place}: {error}") from None
        if name in CHECKS and (problem := CHECKS[name](value)):
            raise ParameterError(f"{place}: {name} = {value!r} {problem}.")


def _check_references(profile: dict[str, Any], place: str, given: dict[str, Any]) -> None:
    corpora = [profile.get("corpus", profile["name"]), *_corpora(profile)]
    if given.get("corpus", corpora[0]) not in corpora:
        raise ParameterError(
            f"{place}: corpus names {given['corpus']}, which this profile does not make; there are "
            f"{', '.join(corpora)}."
        )
    for key, stages in BUILDS_ON.items():
        known = [name for stage in stages for name in profile[stage]["runs"]]
        if given.get(key) and given[key] not in known:
            raise ParameterError(
                f"{place}: {key} names {given[key]}, which is no run of this profile; there are "
                f"{', '.join(known)}."
            )


def _parameters_cell(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", [])]
