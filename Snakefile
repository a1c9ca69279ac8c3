# The notebooks as a graph: `make figures`, or `snakemake --cores all --configfile config/demo.yaml`.
# A profile in config/ names the data and the conditions; each job runs one notebook.
import hashlib
import json
import os
import shlex
import sys
from functools import cache
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

sys.path.insert(0, workflow.basedir)
from camil.workbook.checksums import reason_to_repeat
from camil.workbook.parameters import ParameterError
from camil.workbook.profile import check_form, check_profile, runs_of
from camil.workbook.provenance import code_files
from camil.workbook.rooms import NOTEBOOKS
from camil.workbook.source import remember, remembered, source_state

if not config:

    configfile: "config/demo.yaml"


try:
    check_form(config)
except ParameterError as error:
    raise WorkflowError(f"The profile is not right: {error}")

# `make figures SOURCE=folder` passes it in the environment, where any path stays as it is. Paths of
# a source and of soundfonts are remembered in runs/<profile>/source.yaml for later calls.
given = remembered(config["name"], os.environ)
if source := given.get("SOURCE") or config.get("source"):
    config["source"] = os.path.normpath(str(source))
# SOUNDFONTS=one.sf2:two.sf2 and UNSEEN=three.sf2, whose paths differ between machines.
if fonts := given.get("SOUNDFONTS"):
    config["preprocess"]["soundfonts"] = fonts.split(os.pathsep)
unseen = given.get("UNSEEN", "")
for name, further in list(config.get("corpora", {}).items()):
    if further.get("soundfonts") == ["UNSEEN"]:
        further["soundfonts"] = unseen.split(os.pathsep)
        if not unseen:
            del config["corpora"][name]
try:
    check_profile(config)
except ParameterError as error:
    raise WorkflowError(f"The profile is not right: {error}")
remember(config["name"], given)

# Set before each command, not in it: `make` and `snakemake` may call the same Python by two names,
# and a job with another command would run again.
python = shlex.quote(sys.executable).replace("{", "{{").replace("}", "}}")
shell.prefix(f"set -euo pipefail; python={python}; ")

NAME = config["name"]
# Profiles may share a corpus. A profile may have further corpora, which differ in some parameters.
MAIN = config.get("corpus", NAME)
CORPORA = {MAIN: {}} | config.get("corpora", {})
CORPUS, RUNS, FIGURES = f"corpora/{MAIN}", f"runs/{NAME}", f"figures/{NAME}"
EXECUTED = f"{RUNS}/notebooks"
STAGES = {stage: runs_of(config, stage) for stage in ("sound", "pretrain", "classify")}
SOUND, PRETRAIN, CLASSIFY = STAGES.values()
# The pre-training whose joint space is drawn; empty without audio.
SPACE = CLASSIFY[config["shown"]].get("pretrained", "")
# Files of 06_results; the architecture, Fig. 1, needs an audio encoder.
RESULTS = [f"table1.{ending}" for ending in ("md", "csv", "tex")]
RESULTS += [f"{table}.{ending}" for table in ("claims", "tracks", "instruments", "calibration")
            for ending in ("md", "csv")]  # fmt: skip
RESULTS += [f"{figure}.{ending}" for figure in ("data_efficiency", "training_curves")
            for ending in ("pdf", "png")]  # fmt: skip
RESULTS += ["fig1.pdf", "fig1.png"] if SPACE else []
# GPUs of a training job; with more than one, as many processes share its batches.
GPUS = config.get("gpus", 0)
# A change of the source files runs preprocessing again, which reads only what has changed.
SOURCE_STATE = source_state(config.get("source", ""))


def code_of(notebook):
    """All files of the rooms that a notebook depends on."""
    return [str(file.relative_to(workflow.basedir)) for file in code_files(NOTEBOOKS[notebook])]


def cells_of(notebook):
    """Checksum of a notebook's code: prose and outputs may change without a job running again."""
    cells = json.loads(Path(f"notebooks/{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()


def execute(notebook, processes=1):
    """The command that runs a notebook; the end of its log is shown when it fails."""
    several = f"torch.distributed.run --standalone --nproc-per-node {processes} -m "
    return (
        f'"$python" -m {several if processes > 1 else ""}camil.workbook.execute'
        f" notebooks/{notebook}.ipynb {{log.notebook:q}}"
        " --cell-timeout {config[cell_timeout]} -y {params.yaml:q} > {log.text:q} 2>&1"
        " || {{ tail -n 60 {log.text:q} >&2; exit 1; }}"
    )


def as_yaml(**parameters):
    return yaml.safe_dump(parameters, default_flow_style=True, width=100_000)


def run_folder(name, seed):
    return f"{RUNS}/{name}-seed{seed}"


def run_folders(names):
    return [run_folder(name, seed) for name in names for seed in config["seeds"]]


def parameters_of_run(stage, name, seed):
    """A run's parameters; runs become folders."""
    given = dict(STAGES[stage][name])
    for key in "pretrained", "pretrained_audio":
        if given.get(key):
            given[key] = run_folder(given[key], seed)
    return given | {
        "corpus": corpus_of(stage, name),
        "seed": int(seed),
        "run": run_folder(name, seed),
    }


def corpus_of(stage, name):
    """The folder of the corpus that a run is trained on."""
    return f"corpora/{STAGES[stage][name].get('corpus', MAIN)}"


def runs_below(stage):
    """The records of the runs that a run builds on."""

    def inputs(wildcards):
        given = STAGES[stage][wildcards.name]
        names = {given.get("pretrained"), given.get("pretrained_audio")} - {None, ""}
        return [f"{run_folder(name, wildcards.seed)}/run.json" for name in names]

    return inputs


def asked_for():
    """Folders of all corpora and runs of the profile, with the parameters that it sets."""
    folders = {f"corpora/{corpus}": preprocessing(corpus) for corpus in CORPORA}
    for stage, names in STAGES.items():
        for name in names:
            for seed in config["seeds"]:
                folders[run_folder(name, seed)] = parameters_of_run(stage, name, seed)
    folders |= dict.fromkeys(BASELINES, config.get("baselines") or {})
    folders |= dict.fromkeys(run_folders(["plus"]) if SONGS else [], config.get("songs") or {})
    return folders | dict.fromkeys(SONGS, {})


@cache
def discard_record(record, reason):
    """Delete the record of a corpus or run, which then counts as unfinished and is made again."""
    print(f"{Path(record).parent} is made again: {reason}.", file=sys.stderr)
    if not workflow.dryrun:
        Path(record).unlink()


def records(wildcards):
    """The records of all corpora and runs.

    Snakemake compares times only, so a corpus or run that was changed or replaced by hand is
    looked for here.
    """
    found = []
    for folder, parameters in asked_for().items():
        name = "corpus.json" if folder.startswith("corpora/") else "run.json"
        found.append(f"{folder}/{name}")
        if reason := reason_to_repeat(folder, parameters):
            discard_record(found[-1], reason)
    return found


rule all:
    input:
        # Corpora and runs are listed, so that a deleted one is made again although figures exist.
        records,
        [f"{FIGURES}/{file}" for file in RESULTS],
        [f"{FIGURES}/fig2.{ending}" for ending in ("pdf", "png")],
        [f"{FIGURES}/umap.{ending}" for ending in ("pdf", "png") if SPACE],
        [f"{FIGURES}/questions/answers.csv"] if "questions" in config else [],
        [f"{FIGURES}/transfer/answers.csv"] if "transfer" in config else [],
        [f"{RUNS}/label/labels.csv"] if "label" in config else [],
        [f"{RUNS}/audit/audit.csv"] if "audit" in config else [],


onsuccess:
    print(f"\nTable and figures: {FIGURES}/; executed notebooks: {EXECUTED}/")


def preprocessing(corpus, **more):
    """The parameters of 01_preprocess for a corpus."""
    given = config["preprocess"] | CORPORA[corpus]
    given |= {"source": config.get("source", ""), "corpus": f"corpora/{corpus}"}
    return given | {"figure": f"figures/{corpus}/segment"} | more


SHARDS = int(config.get("shards", 1))  # number of jobs of preprocessing


rule preprocess_shard:
    wildcard_constraints:
        corpus="|".join(CORPORA),
        number=r"\d+",
    input:
        notebook=ancient("notebooks/01_preprocess.ipynb"),
        code=code_of("01_preprocess"),
    output:
        touch(f"{EXECUTED}/01_preprocess-{{corpus}}-{{number}}-of-{SHARDS}.done"),
    log:
        notebook=f"{EXECUTED}/01_preprocess-{{corpus}}-{{number}}-of-{SHARDS}.ipynb",
        text=f"{EXECUTED}/01_preprocess-{{corpus}}-{{number}}-of-{SHARDS}.log",
    params:
        cells=cells_of("01_preprocess"),
        source=SOURCE_STATE,
        yaml=lambda wildcards, threads: as_yaml(
            **preprocessing(
                wildcards.corpus, shard=f"{wildcards.number}/{SHARDS}", workers=threads
            )
        ),
    threads: config.get("shard_threads", 1)
    resources:
        mem_mb=2000,
    shell:
        execute("01_preprocess")


rule preprocess:
    wildcard_constraints:
        corpus="|".join(CORPORA),
    input:
        [
            f"{EXECUTED}/01_preprocess-{{corpus}}-{number}-of-{SHARDS}.done"
            for number in range(1, SHARDS + 1)
            if SHARDS > 1
        ],
        notebook=ancient("notebooks/01_preprocess.ipynb"),
        code=code_of("01_preprocess"),
    output:
        # Snakemake removes these before it runs the job again: from then on there is no corpus until
        # the new one is complete. (`update` would keep them, but it copies them first and mistakes
        # the restored old ones for new after a job that failed.)
        "corpora/{corpus}/corpus.json",
        "corpora/{corpus}/segments.parquet",
        "corpora/{corpus}/mels.npy",
        "figures/{corpus}/segment.png",
        "figures/{corpus}/segment.pdf",
    log:
        notebook=f"{EXECUTED}/01_preprocess-{{corpus}}.ipynb",
        text=f"{EXECUTED}/01_preprocess-{{corpus}}.log",
    params:
        cells=cells_of("01_preprocess"),
        source=SOURCE_STATE,
        yaml=lambda wildcards: as_yaml(**preprocessing(wildcards.corpus)),
    threads: workflow.cores
    shell:
        execute("01_preprocess")


rule pretrain:
    wildcard_constraints:
        name="|".join(PRETRAIN) or "none",
    input:
        runs_below("pretrain"),
        notebook=ancient("notebooks/02_pretrain.ipynb"),
        code=code_of("02_pretrain"),
        corpus=lambda wildcards: f"{corpus_of('pretrain', wildcards.name)}/corpus.json",
    output:
        f"{RUNS}/{{name}}-seed{{seed}}/run.json",
        f"{RUNS}/{{name}}-seed{{seed}}/encoder.safetensors",
    log:
        notebook=f"{EXECUTED}/02_pretrain-{{name}}-seed{{seed}}.ipynb",
        text=f"{EXECUTED}/02_pretrain-{{name}}-seed{{seed}}.log",
    params:
        cells=cells_of("02_pretrain"),
        yaml=lambda wildcards: as_yaml(
            **parameters_of_run("pretrain", wildcards.name, wildcards.seed)
        ),
    threads: config["threads"]
    resources:
        gpu=GPUS,
    shell:
        execute("02_pretrain", GPUS)


rule sound:
    wildcard_constraints:
        name="|".join(SOUND) or "none",
    input:
        notebook=ancient("notebooks/02c_sound.ipynb"),
        code=code_of("02c_sound"),
        corpus=lambda wildcards: f"{corpus_of('sound', wildcards.name)}/corpus.json",
    output:
        f"{RUNS}/{{name}}-seed{{seed}}/run.json",
        f"{RUNS}/{{name}}-seed{{seed}}/encoder.safetensors",
        f"{RUNS}/{{name}}-seed{{seed}}/classifier.safetensors",
    log:
        notebook=f"{EXECUTED}/02c_sound-{{name}}-seed{{seed}}.ipynb",
        text=f"{EXECUTED}/02c_sound-{{name}}-seed{{seed}}.log",
    params:
        cells=cells_of("02c_sound"),
        yaml=lambda wildcards: as_yaml(
            **parameters_of_run("sound", wildcards.name, wildcards.seed)
        ),
    threads: config["threads"]
    shell:
        execute("02c_sound")


rule classify:
    wildcard_constraints:
        name="|".join(CLASSIFY),
    input:
        runs_below("classify"),
        notebook=ancient("notebooks/03_classify.ipynb"),
        code=code_of("03_classify"),
        corpus=lambda wildcards: f"{corpus_of('classify', wildcards.name)}/corpus.json",
    output:
        f"{RUNS}/{{name}}-seed{{seed}}/run.json",
        f"{RUNS}/{{name}}-seed{{seed}}/metrics.json",
        f"{RUNS}/{{name}}-seed{{seed}}/predictions.parquet",
        f"{RUNS}/{{name}}-seed{{seed}}/classifier.safetensors",
    log:
        notebook=f"{EXECUTED}/03_classify-{{name}}-seed{{seed}}.ipynb",
        text=f"{EXECUTED}/03_classify-{{name}}-seed{{seed}}.log",
    params:
        cells=cells_of("03_classify"),
        yaml=lambda wildcards: as_yaml(
            **parameters_of_run("classify", wildcards.name, wildcards.seed)
        ),
    threads: config["threads"]
    resources:
        gpu=GPUS,
    shell:
        execute("03_classify", GPUS)


rule confusion:
    input:
        f"{run_folder(config['shown'], config['seeds'][0])}/metrics.json",
        notebook=ancient("notebooks/04_confusion.ipynb"),
        code=code_of("04_confusion"),
    output:
        f"{FIGURES}/fig2.pdf",
        f"{FIGURES}/fig2.png",
    log:
        notebook=f"{EXECUTED}/04_confusion.ipynb",
        text=f"{EXECUTED}/04_confusion.log",
    params:
        cells=cells_of("04_confusion"),
        yaml=as_yaml(run=run_folder(config["shown"], config["seeds"][0]), figure=f"{FIGURES}/fig2"),
    shell:
        execute("04_confusion")


rule umap:
    input:
        [f"{run_folder(SPACE, config['seeds'][0])}/run.json"] if SPACE else [],
        notebook=ancient("notebooks/05_umap.ipynb"),
        code=code_of("05_umap"),
        corpus=f"{CORPUS}/corpus.json",
    output:
        f"{FIGURES}/umap.pdf",
        f"{FIGURES}/umap.png",
    log:
        notebook=f"{EXECUTED}/05_umap.ipynb",
        text=f"{EXECUTED}/05_umap.log",
    params:
        cells=cells_of("05_umap"),
        yaml=as_yaml(
            corpus=CORPUS, run=run_folder(SPACE, config["seeds"][0]), figure=f"{FIGURES}/umap"
        ),
    shell:
        execute("05_umap")


BASELINES = [run_folder(f"baseline-{name}", config["seeds"][0])
             for name in ("majority", "segments", "tracks", "songs") if "baselines" in config]  # fmt: skip


rule baselines:
    input:
        notebook=ancient("notebooks/08_baselines.ipynb"),
        code=code_of("08_baselines"),
        corpus=f"{CORPUS}/corpus.json",
    output:
        [f"{folder}/{file}" for folder in BASELINES or [f"{RUNS}/no-baselines"]
         for file in ("run.json", "metrics.json", "predictions.parquet")],  # fmt: skip
    log:
        notebook=f"{EXECUTED}/08_baselines.ipynb",
        text=f"{EXECUTED}/08_baselines.log",
    params:
        cells=cells_of("08_baselines"),
        yaml=as_yaml(
            **(config.get("baselines") or {}), corpus=CORPUS, runs=RUNS, seed=config["seeds"][0]
        ),
    threads: config["threads"]
    shell:
        execute("08_baselines")


LEVELS = ("segment", "track", "song")  # levels of CAMIL+
SONGS = [f"{folder}-{level}" for folder in run_folders(["plus"]) for level in LEVELS
         if "songs" in config]  # fmt: skip


rule songs:
    input:
        notebook=ancient("notebooks/11_songs.ipynb"),
        code=code_of("11_songs"),
        corpus=f"{CORPUS}/corpus.json",
    output:
        f"{RUNS}/plus-seed{{seed}}/run.json",
        f"{RUNS}/plus-seed{{seed}}/songs.safetensors",
        [f"{RUNS}/plus-seed{{seed}}-{level}/{file}" for level in LEVELS
         for file in ("run.json", "metrics.json", "predictions.parquet")],  # fmt: skip
    log:
        notebook=f"{EXECUTED}/11_songs-seed{{seed}}.ipynb",
        text=f"{EXECUTED}/11_songs-seed{{seed}}.log",
    params:
        cells=cells_of("11_songs"),
        yaml=lambda wildcards: as_yaml(
            **(config.get("songs") or {}),
            corpus=CORPUS,
            run=run_folder("plus", wildcards.seed),
            seed=int(wildcards.seed),
        ),
    threads: config["threads"]
    resources:
        gpu=GPUS,
    shell:
        execute("11_songs")


rule results:
    input:
        [f"{folder}/run.json" for folder in run_folders(PRETRAIN)],
        [f"{folder}/metrics.json" for folder in run_folders(CLASSIFY) + BASELINES + SONGS],
        notebook=ancient("notebooks/06_results.ipynb"),
        code=code_of("06_results"),
    output:
        [f"{FIGURES}/{file}" for file in RESULTS],
    log:
        notebook=f"{EXECUTED}/06_results.ipynb",
        text=f"{EXECUTED}/06_results.log",
    params:
        cells=cells_of("06_results"),
        yaml=as_yaml(
            runs=",".join(run_folders(PRETRAIN) + run_folders(CLASSIFY) + BASELINES + SONGS),
            figures=FIGURES,
            mix_corpora=len(CORPORA) > 1,
        ),
    shell:
        execute("06_results")


rule label:
    input:
        f"{run_folder(config['shown'], config['seeds'][0])}/classifier.safetensors",
        notebook=ancient("notebooks/07_label.ipynb"),
        code=code_of("07_label"),
        corpus=f"{CORPUS}/corpus.json",
    output:
        f"{RUNS}/label/labels.csv",
    log:
        notebook=f"{EXECUTED}/07_label.ipynb",
        text=f"{EXECUTED}/07_label.log",
    params:
        cells=cells_of("07_label"),
        yaml=as_yaml(
            midi_file=config.get("label", ""),
            pretrained=run_folder(config["shown"], config["seeds"][0]),
            output=f"{RUNS}/label",
        ),
    shell:
        execute("07_label")


rule audit:
    input:
        f"{run_folder(config['shown'], config['seeds'][0])}/classifier.safetensors",
        notebook=ancient("notebooks/12_audit.ipynb"),
        code=code_of("12_audit"),
        corpus=f"{CORPUS}/corpus.json",
    output:
        f"{RUNS}/audit/audit.csv",
    log:
        notebook=f"{EXECUTED}/12_audit.ipynb",
        text=f"{EXECUTED}/12_audit.log",
    params:
        cells=cells_of("12_audit"),
        yaml=as_yaml(
            midi_folder=config.get("audit", ""),
            pretrained=run_folder(config["shown"], config["seeds"][0]),
            output=f"{RUNS}/audit",
        ),
    shell:
        execute("12_audit")


def question_parameters():
    """The parameters of 09_questions; a corpus that is not made is left out."""
    given = dict(config.get("questions") or {})
    corpora = {key: given[key] for key in ("unseen", "moved") if given.get(key)}
    given |= {key: f"corpora/{name}" if name in CORPORA else "" for key, name in corpora.items()}
    given |= {"runs": RUNS, "figures": f"{FIGURES}/questions", "seed": config["seeds"][0]}
    return as_yaml(**given)


rule questions:
    input:
        [f"{folder}/run.json" for folder in run_folders(PRETRAIN) + run_folders(CLASSIFY)],
        [f"corpora/{corpus}/corpus.json" for corpus in CORPORA],
        notebook=ancient("notebooks/09_questions.ipynb"),
        code=code_of("09_questions"),
    output:
        f"{FIGURES}/questions/answers.csv",
        f"{FIGURES}/questions/answers.md",
    log:
        notebook=f"{EXECUTED}/09_questions.ipynb",
        text=f"{EXECUTED}/09_questions.log",
    params:
        cells=cells_of("09_questions"),
        yaml=question_parameters(),
    shell:
        execute("09_questions")


def compared():
    """The parameters of 10_transfer; runs become folders."""
    given = dict(config.get("transfer") or {})
    for key in set(given) & {"camil", "sic"}:
        given[key] = run_folder(given[key], config["seeds"][0])
    return given | {"corpus": CORPUS, "figures": f"{FIGURES}/transfer", "seed": config["seeds"][0]}


rule transfer:
    input:
        [f"{folder}/run.json" for key, folder in compared().items() if key in ("camil", "sic")],
        notebook=ancient("notebooks/10_transfer.ipynb"),
        code=code_of("10_transfer"),
        corpus=f"{CORPUS}/corpus.json",
    output:
        f"{FIGURES}/transfer/answers.csv",
        f"{FIGURES}/transfer/answers.md",
    log:
        notebook=f"{EXECUTED}/10_transfer.ipynb",
        text=f"{EXECUTED}/10_transfer.log",
    params:
        cells=cells_of("10_transfer"),
        yaml=as_yaml(**compared()),
    shell:
        execute("10_transfer")
