"""Metrics: descriptions with pure functions of a state, and cells in Keras's spelling."""

from jkeras.losses.crossentropy import binary_crossentropy as binary_crossentropy
from jkeras.losses.crossentropy import binary_focal_crossentropy as binary_focal_crossentropy
from jkeras.losses.crossentropy import categorical_crossentropy as categorical_crossentropy
from jkeras.losses.crossentropy import (
    categorical_focal_crossentropy as categorical_focal_crossentropy,
)
from jkeras.losses.crossentropy import (
    sparse_categorical_crossentropy as sparse_categorical_crossentropy,
)
from jkeras.losses.margins import categorical_hinge as categorical_hinge
from jkeras.losses.margins import hinge as hinge
from jkeras.losses.margins import squared_hinge as squared_hinge
from jkeras.losses.probabilistic import kl_divergence as kl_divergence
from jkeras.losses.probabilistic import poisson as poisson
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
from jkeras.metrics.accuracies import Accuracy as Accuracy
from jkeras.metrics.accuracies import BinaryAccuracy as BinaryAccuracy
from jkeras.metrics.accuracies import CategoricalAccuracy as CategoricalAccuracy
from jkeras.metrics.accuracies import SparseCategoricalAccuracy as SparseCategoricalAccuracy
from jkeras.metrics.accuracies import SparseTopKCategoricalAccuracy as SparseTopKCategoricalAccuracy
from jkeras.metrics.accuracies import TopKCategoricalAccuracy as TopKCategoricalAccuracy
from jkeras.metrics.accuracies import binary_accuracy as binary_accuracy
from jkeras.metrics.accuracies import categorical_accuracy as categorical_accuracy
from jkeras.metrics.accuracies import sparse_categorical_accuracy as sparse_categorical_accuracy
from jkeras.metrics.accuracies import (
    sparse_top_k_categorical_accuracy as sparse_top_k_categorical_accuracy,
)
from jkeras.metrics.accuracies import top_k_categorical_accuracy as top_k_categorical_accuracy
from jkeras.metrics.confusion import F1Score as F1Score
from jkeras.metrics.confusion import FalseNegatives as FalseNegatives
from jkeras.metrics.confusion import FalsePositives as FalsePositives
from jkeras.metrics.confusion import FBetaScore as FBetaScore
from jkeras.metrics.confusion import Precision as Precision
from jkeras.metrics.confusion import Recall as Recall
from jkeras.metrics.confusion import TrueNegatives as TrueNegatives
from jkeras.metrics.confusion import TruePositives as TruePositives
from jkeras.metrics.curves import AUC as AUC
from jkeras.metrics.curves import PrecisionAtRecall as PrecisionAtRecall
from jkeras.metrics.curves import RecallAtPrecision as RecallAtPrecision
from jkeras.metrics.curves import SensitivityAtSpecificity as SensitivityAtSpecificity
from jkeras.metrics.curves import SpecificityAtSensitivity as SpecificityAtSensitivity
from jkeras.metrics.iou import BinaryIoU as BinaryIoU
from jkeras.metrics.iou import IoU as IoU
from jkeras.metrics.iou import MeanIoU as MeanIoU
from jkeras.metrics.iou import OneHotIoU as OneHotIoU
from jkeras.metrics.iou import OneHotMeanIoU as OneHotMeanIoU
from jkeras.metrics.lookup import as_metric as as_metric
from jkeras.metrics.lookup import deserialize as deserialize
from jkeras.metrics.lookup import get as get
from jkeras.metrics.lookup import is_deferred as is_deferred
from jkeras.metrics.lookup import serialize as serialize
from jkeras.metrics.margins import CategoricalHinge as CategoricalHinge
from jkeras.metrics.margins import Hinge as Hinge
from jkeras.metrics.margins import SquaredHinge as SquaredHinge
from jkeras.metrics.means import Mean as Mean
from jkeras.metrics.means import MeanMetricWrapper as MeanMetricWrapper
from jkeras.metrics.means import Sum as Sum
from jkeras.metrics.metric import Metric as Metric
from jkeras.metrics.probabilistic import BinaryCrossentropy as BinaryCrossentropy
from jkeras.metrics.probabilistic import CategoricalCrossentropy as CategoricalCrossentropy
from jkeras.metrics.probabilistic import KLDivergence as KLDivergence
from jkeras.metrics.probabilistic import Poisson as Poisson
from jkeras.metrics.probabilistic import (
    SparseCategoricalCrossentropy as SparseCategoricalCrossentropy,
)
from jkeras.metrics.regression import ConcordanceCorrelation as ConcordanceCorrelation
from jkeras.metrics.regression import CosineSimilarity as CosineSimilarity
from jkeras.metrics.regression import LogCoshError as LogCoshError
from jkeras.metrics.regression import MeanAbsoluteError as MeanAbsoluteError
from jkeras.metrics.regression import MeanAbsolutePercentageError as MeanAbsolutePercentageError
from jkeras.metrics.regression import MeanSquaredError as MeanSquaredError
from jkeras.metrics.regression import MeanSquaredLogarithmicError as MeanSquaredLogarithmicError
from jkeras.metrics.regression import PearsonCorrelation as PearsonCorrelation
from jkeras.metrics.regression import R2Score as R2Score
from jkeras.metrics.regression import RootMeanSquaredError as RootMeanSquaredError
from jkeras.metrics.regression import concordance_correlation as concordance_correlation
from jkeras.metrics.regression import pearson_correlation as pearson_correlation
