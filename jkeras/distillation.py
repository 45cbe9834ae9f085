"""Distillation: a small model (the student) learns from a trained one (the teacher)."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jkeras import losses, metrics
from jkeras.base import registry
from jkeras.base.numbers import as_number
from jkeras.base.types import ArrayLike, Identifier, Structure
from jkeras.models import Model


class DistillationLoss(registry.Configurable):
    """The base of losses of a student's outputs compared with a teacher's.

    A subclass writes `compute_loss(teacher_outputs, student_outputs)`.
    """

    def compute_loss(
        self, teacher_outputs: ArrayLike, student_outputs: ArrayLike, **kwargs: Any
    ) -> ArrayLike:
        """Returns the loss, a number."""
        raise NotImplementedError("Subclasses must implement compute_loss method.")

    def validate_outputs(self, teacher_outputs: ArrayLike, student_outputs: ArrayLike) -> None:
        """Refuses outputs of different structure.

        Raises:
            ValueError: If they are.
        """
        structures: Any = [jax.tree.structure(x) for x in (student_outputs, teacher_outputs)]
        ours, theirs = structures
        if ours != theirs:
            raise ValueError(
                f"Teacher and student outputs must have the same structure. Teacher: {theirs}; "
                f"student: {ours}"
            )

    def validate_model_compatibility(self, teacher: Model, student: Model) -> None:
        """Refuses models that this loss cannot compare; nothing by default."""


class _ByLosses(DistillationLoss):
    """Compares outputs by one loss, or by one of each output; None: not at all."""

    def __init__(self, loss: Identifier):
        self.loss = loss
        self._losses = jax.tree.map(losses.get, loss)
        if not jax.tree.leaves(self._losses):
            raise ValueError(
                "The `loss` argument needs to have at least one loss that is not None."
            )

    def _total(self, teacher_outputs: ArrayLike, student_outputs: ArrayLike) -> Any:
        outputs = [jax.tree.leaves(x) for x in (teacher_outputs, student_outputs)]
        given: list[Any] = jax.tree.leaves(self._losses, is_leaf=lambda x: x is None)
        if len(given) != len(outputs[0]):
            raise ValueError(f"There are {len(given)} losses for {len(outputs[0])} outputs.")
        total: Any = 0.0
        for loss, of_teacher, of_student in zip(given, *outputs, strict=True):
            if loss is not None:
                compare: Any = losses.as_loss(loss)
                total = total + compare(of_teacher, of_student)
        return total


class LogitsDistillation(_ByLosses):
    """Compares the outputs of both, divided by a temperature.

    As in Keras, outputs are divided and compared as they are: give a loss that fits them, such as
    `keras.losses.MeanSquaredError()` for logits.

    Args:
        temperature: What outputs are divided by: the higher, the softer.
        loss: A loss or its name, or one of each output; None for outputs that are not compared.

    Raises:
        ValueError: If the temperature is not positive, or there is no loss.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> loss = keras.distillation.LogitsDistillation(temperature=2.0, loss="mse")
        >>> loss.compute_loss(np.zeros((1, 2)), np.array([[2.0, 2.0]])).item()
        1.0
    """

    def __init__(self, temperature: float = 3.0, loss: Identifier = "kl_divergence"):
        super().__init__(loss)
        number = as_number(temperature)
        if number is None or number <= 0:
            raise ValueError(f"temperature must be positive. Received: temperature={temperature!r}")
        self.temperature = number

    def compute_loss(
        self, teacher_outputs: ArrayLike, student_outputs: ArrayLike, **kwargs: Any
    ) -> ArrayLike:
        divided = [
            jax.tree.map(lambda x: jnp.asarray(x) / self.temperature, outputs)
            for outputs in (teacher_outputs, student_outputs)
        ]
        return self._total(*divided)


class FeatureDistillation(_ByLosses):
    """Compares the outputs of a layer of the teacher with those of a layer of the student.

    Args:
        loss: A loss or its name, or one of each output; None for outputs that are not compared.
        teacher_layer_name: The teacher's layer; its final outputs by default.
        student_layer_name: The student's layer; its final outputs by default.

    Raises:
        ValueError: If there is no loss.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> loss = keras.distillation.FeatureDistillation("mse")
        >>> loss.compute_loss(np.zeros((1, 2)), np.ones((1, 2))).item()
        1.0
    """

    def __init__(
        self,
        loss: Identifier = "mse",
        teacher_layer_name: str | None = None,
        student_layer_name: str | None = None,
    ):
        super().__init__(loss)
        self.teacher_layer_name = teacher_layer_name
        self.student_layer_name = student_layer_name

    def validate_model_compatibility(self, teacher: Model, student: Model) -> None:
        for what, model, name in (
            ("teacher", teacher, self.teacher_layer_name),
            ("student", student, self.student_layer_name),
        ):
            if name is None:
                continue
            try:
                layer = model.get_layer(name=name)
            except ValueError as error:
                raise ValueError(f"In {what} model: {error}") from None
            if not layer._calls:
                raise ValueError(
                    f"In {what} model: the layer {name!r} has no symbolic outputs. "
                    "FeatureDistillation with a layer name needs a functional or Sequential one."
                )

    def features(self, teacher: Model, student: Model) -> tuple[Any, Any]:
        """Returns models that give the features to compare."""
        return tuple(  # type: ignore[return-value]
            model if name is None else Model(model.inputs, model.get_layer(name).output)
            for model, name in (
                (teacher, self.teacher_layer_name),
                (student, self.student_layer_name),
            )
        )

    def compute_loss(
        self, teacher_outputs: ArrayLike, student_outputs: ArrayLike, **kwargs: Any
    ) -> ArrayLike:
        return self._total(teacher_outputs, student_outputs)


class Distiller(Model):
    """Trains a student on labels and on what a teacher, which stays as it is, gives.

    The loss is `student_loss_weight * student_loss + (1 - student_loss_weight) * distillation`.

    Args:
        teacher: The trained model.
        student: The model to train; take it from here afterwards.
        distillation_losses: A distillation loss, or a list of them.
        distillation_loss_weights: One weight for each; 1 by default.
        student_loss_weight: The weight of the student's own loss, from 0 to 1.
        name: The name.
        **kwargs: Further arguments of a model.

    Raises:
        ValueError: If an argument is something else.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> def make(units):
        ...     steps = [
        ...         keras.Input((4,)),
        ...         keras.layers.Dense(units, "relu"),
        ...         keras.layers.Dense(2),
        ...     ]
        ...     return keras.Sequential(steps)
        >>> loss = keras.distillation.LogitsDistillation(temperature=2.0, loss="mse")
        >>> distiller = keras.distillation.Distiller(make(8), make(3), loss)
        >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        >>> distiller.compile("adam", loss)
        >>> history = distiller.fit(np.ones((8, 4)), np.zeros(8), verbose=0)
        >>> sorted(history.history)
        ['distillation_loss', 'loss', 'student_loss', 'total_loss']

    References:
        Hinton et al., 2015, Distilling the knowledge in a neural network.
    """

    def __init__(
        self,
        teacher: Model,
        student: Model,
        distillation_losses: Structure,
        distillation_loss_weights: Sequence[float] | None = None,
        student_loss_weight: float = 0.5,
        name: str = "distiller",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        for what, model in (("Teacher", teacher), ("Student", student)):
            if not isinstance(model, Model):
                raise ValueError(f"{what} must be a keras.Model, got {type(model)}")
        share = as_number(student_loss_weight)
        if share is None or not 0 <= share <= 1:
            raise ValueError(
                f"student_loss_weight must be between 0.0 and 1.0, got {student_loss_weight}"
            )
        given = distillation_losses
        given = [given] if isinstance(given, DistillationLoss) else list(given or ())
        weights = (
            [1.0] * len(given)
            if distillation_loss_weights is None
            else list(distillation_loss_weights)
        )
        if not given or not all(isinstance(loss, DistillationLoss) for loss in given):
            raise ValueError(
                "distillation_losses must be a DistillationLoss or a list of them, got "
                f"{distillation_losses!r}"
            )
        if len(weights) != len(given):
            raise ValueError(
                f"Number of distillation_loss_weights ({len(weights)}) must match number of "
                f"distillation_losses ({len(given)})"
            )
        for loss in given:
            loss.validate_model_compatibility(teacher, student)
        teacher.trainable = False
        self.teacher, self.student = teacher, student
        self.distillation_losses, self.distillation_loss_weights = given, weights
        self.student_loss_weight = share
        self.student_loss_tracker = metrics.Mean(name="student_loss")
        self.distillation_loss_tracker = metrics.Mean(name="distillation_loss")
        self.total_loss_tracker = metrics.Mean(name="total_loss")
        self.built = True

    def call(self, inputs: ArrayLike, training: bool | None = None, **kwargs: Any) -> Structure:
        return self.student(inputs, training=training)

    def compute_loss(
        self,
        x: ArrayLike = None,
        y: Structure = None,
        y_pred: ArrayLike = None,
        sample_weight: ArrayLike = None,
        training: bool = True,
    ) -> ArrayLike:
        of_student = super().compute_loss(x, y, y_pred, sample_weight, training)
        total: Any = 0.0
        outputs = None
        for loss, weight in zip(
            self.distillation_losses, self.distillation_loss_weights, strict=True
        ):
            if isinstance(loss, FeatureDistillation):
                of_teacher, of_model = loss.features(self.teacher, self.student)
                pair = of_teacher(x, training=False), of_model(x, training=training)
            else:
                outputs = self.teacher(x, training=False) if outputs is None else outputs
                pair = outputs, y_pred
            loss.validate_outputs(*pair)
            total = total + weight * loss.compute_loss(*pair)
        self.student_loss_tracker.update_state(of_student)
        self.distillation_loss_tracker.update_state(total)
        share = self.student_loss_weight
        total = share * of_student + (1 - share) * total
        self.total_loss_tracker.update_state(total)
        return total

    def get_config(self) -> dict[str, Any]:
        parts = {
            "teacher": self.teacher,
            "student": self.student,
            "distillation_losses": self.distillation_losses,
        }
        return {
            **{k: registry.serialize_keras_object(v) for k, v in parts.items()},
            "distillation_loss_weights": self.distillation_loss_weights,
            "student_loss_weight": self.student_loss_weight,
            "name": self.name,
        }
