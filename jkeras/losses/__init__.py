"""Losses: pure functions of (y_true, y_pred), and objects that reduce what they give."""

from jkeras.losses.checks import check_labels as check_labels
from jkeras.losses.crossentropy import BinaryCrossentropy as BinaryCrossentropy
from jkeras.losses.crossentropy import BinaryFocalCrossentropy as BinaryFocalCrossentropy
from jkeras.losses.crossentropy import CategoricalCrossentropy as CategoricalCrossentropy
from jkeras.losses.crossentropy import CategoricalFocalCrossentropy as CategoricalFocalCrossentropy
from jkeras.losses.crossentropy import (
    CategoricalGeneralizedCrossEntropy as CategoricalGeneralizedCrossEntropy,
)
from jkeras.losses.crossentropy import (
    SparseCategoricalCrossentropy as SparseCategoricalCrossentropy,
)
from jkeras.losses.crossentropy import binary_crossentropy as binary_crossentropy
from jkeras.losses.crossentropy import binary_focal_crossentropy as binary_focal_crossentropy
from jkeras.losses.crossentropy import categorical_crossentropy as categorical_crossentropy
from jkeras.losses.crossentropy import (
    categorical_focal_crossentropy as categorical_focal_crossentropy,
)
from jkeras.losses.crossentropy import (
    categorical_generalized_cross_entropy as categorical_generalized_cross_entropy,
)
from jkeras.losses.crossentropy import (
    sparse_categorical_crossentropy as sparse_categorical_crossentropy,
)
from jkeras.losses.lookup import as_loss as as_loss
from jkeras.losses.lookup import deserialize as deserialize
from jkeras.losses.lookup import get as get
from jkeras.losses.lookup import serialize as serialize
from jkeras.losses.loss import Loss as Loss
from jkeras.losses.loss import LossFunctionWrapper as LossFunctionWrapper
from jkeras.losses.margins import CategoricalHinge as CategoricalHinge
from jkeras.losses.margins import Hinge as Hinge
from jkeras.losses.margins import SquaredHinge as SquaredHinge
from jkeras.losses.margins import categorical_hinge as categorical_hinge
from jkeras.losses.margins import hinge as hinge
from jkeras.losses.margins import squared_hinge as squared_hinge
from jkeras.losses.overlap import Dice as Dice
from jkeras.losses.overlap import Tversky as Tversky
from jkeras.losses.overlap import dice as dice
from jkeras.losses.overlap import tversky as tversky
from jkeras.losses.probabilistic import KLDivergence as KLDivergence
from jkeras.losses.probabilistic import Poisson as Poisson
from jkeras.losses.probabilistic import kl_divergence as kl_divergence
from jkeras.losses.probabilistic import poisson as poisson
from jkeras.losses.regression import CosineSimilarity as CosineSimilarity
from jkeras.losses.regression import Huber as Huber
from jkeras.losses.regression import LogCosh as LogCosh
from jkeras.losses.regression import MeanAbsoluteError as MeanAbsoluteError
from jkeras.losses.regression import MeanAbsolutePercentageError as MeanAbsolutePercentageError
from jkeras.losses.regression import MeanSquaredError as MeanSquaredError
from jkeras.losses.regression import MeanSquaredLogarithmicError as MeanSquaredLogarithmicError
from jkeras.losses.regression import cosine_similarity as cosine_similarity
from jkeras.losses.regression import huber as huber
from jkeras.losses.regression import log_cosh as log_cosh
from jkeras.losses.regression import mean_absolute_error as mean_absolute_error
from jkeras.losses.regression import (
    mean_absolute_percentage_error as mean_absolute_percentage_error,
)
from jkeras.losses.regression import mean_squared_error as mean_squared_error
from jkeras.losses.regression import (
    mean_squared_logarithmic_error as mean_squared_logarithmic_error,
)
from jkeras.losses.structured import CTC as CTC
from jkeras.losses.structured import Circle as Circle
from jkeras.losses.structured import circle as circle
from jkeras.losses.structured import ctc as ctc
