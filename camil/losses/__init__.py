"""What pre-training minimises: one class a loss, each a function of two batches of embeddings.

| loss | of | wrong pairs |
|---|---|---|
| `ContrastiveLoss` | pairs, each right or wrong (the CAMIL paper) | drawn by a sampler |
| `TripletLoss` | a part, its sound, and wrong sounds | drawn by a sampler |
| `InfoNCE` | a batch, each part choosing among all sounds | all of the batch |
| `SigmoidPairs` | a batch, each pair judged for itself | all of the batch |
| `SupervisedContrastive` | a batch with labels | all of other instruments |
| `SoftLabels`, `EmbeddingDistillation` | a student and its teacher | none |

`LogitAdjustedCrossEntropy` is for classifying, where classes are of unequal size.
"""

from camil.losses.contrastive import ContrastiveLoss
from camil.losses.distillation import EmbeddingDistillation, SoftLabels
from camil.losses.imbalance import LogitAdjustedCrossEntropy
from camil.losses.infonce import InfoNCE, SupervisedContrastive
from camil.losses.sigmoid import SigmoidPairs
from camil.losses.triplet import TripletLoss

__all__ = [
    "ContrastiveLoss",
    "EmbeddingDistillation",
    "InfoNCE",
    "LogitAdjustedCrossEntropy",
    "SigmoidPairs",
    "SoftLabels",
    "SupervisedContrastive",
    "TripletLoss",
]
