"""The rooms of the package in order, and those that each notebook of the graph depends on."""

# A room imports only rooms before it.
ORDER = (
    "registry.py",
    "samplers",
    "losses",
    "encoders",
    "midi",
    "audio.py",
    "composer",
    "sources",
    "workbook",
    "corpus",
    "training",
    "evaluation",
    "labelling",
    "figures",
    "widgets",
)
_CORPUS = ("registry.py", "midi", "audio.py", "composer", "sources", "workbook", "corpus")
_TRAINING = (
    "registry.py",
    "samplers",
    "losses",
    "encoders",
    "midi",
    "workbook",
    "corpus",
    "training",
)
_EVALUATION = (*_TRAINING, "evaluation")
_FIGURES = (*_EVALUATION, "figures")
# Notebooks that write data. They also import figures and widgets, which display the data.
DATA = ("01_preprocess", "02_pretrain", "02c_sound", "03_classify", "08_baselines", "11_songs")
NOTEBOOKS = {
    "01_preprocess": _CORPUS,
    "02_pretrain": _TRAINING,
    "02c_sound": _TRAINING,
    "03_classify": _EVALUATION,
    "04_confusion": ORDER,
    "05_umap": ORDER,
    "06_results": _FIGURES,
    "07_label": ORDER,
    "08_baselines": (*_CORPUS, "encoders", "evaluation"),
    "09_questions": _FIGURES,
    "10_transfer": (*_FIGURES, "audio.py", "composer", "sources"),
    "11_songs": _EVALUATION,
    "12_audit": ORDER,
}
# The rooms whose code decides the content of a run.
RUN = (*_EVALUATION, "audio.py", "composer", "sources")
