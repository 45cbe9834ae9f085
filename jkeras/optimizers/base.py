"""Optimizer: a pure rule of arrays, and Keras's spelling over the variables it trains.

An optimizer remembers in variables: those of the whole optimizer (`iteration`, `learning_rate`),
and slots of each trained variable (`momentum`, `velocity`). A *state* is a dict of the arrays they
hold, in which the slots of one name are a dict by names of the trained variables. A step is a pure
function of gradients, state and parameters (`update.py`); all else here moves arrays.
"""

import copy
import functools
import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jkeras import initializers
from jkeras.base import naming, registry, settings
from jkeras.base.deprecation import warn_deprecated
from jkeras.core import scope
from jkeras.core.signatures import takes_arguments_of
from jkeras.core.variable import Variable
from jkeras.optimizers import arguments, transformation, update

State = dict[Any, Any]  # arrays by names; slots are dicts by names of trained variables
Key = tuple[str, Variable | None]  # a name, and the trained variable whose slot it is


class Step(NamedTuple):
    """What all parameters have in common in one step.

    Attributes:
        number: 1 in the first update, 2 in the second, ...; a float scalar.
        learning_rate: The learning rate, a float scalar.
        scalars: The values of the variables made by `add_variable`, as `Optimizer.advance` left
            them.
    """

    number: jax.Array
    learning_rate: jax.Array
    scalars: State


class Optimizer(registry.Configurable):
    """The base of optimizers.

    A subclass makes its slots in `build`, and gives its rule in one of two ways: `update_step`, as
    in Keras, which assigns to variables; or `rule`, which returns a pure function of arrays. Both
    work everywhere: in `fit`, in a loop of your own, and as an optax transformation.

    Args:
        learning_rate: A float, a schedule, or a function of the step (or of nothing).
        weight_decay: The part of each weight, times the learning rate, taken off at each step.
        clipnorm: The largest norm of each gradient.
        clipvalue: The largest absolute value in gradients.
        global_clipnorm: The largest norm of all gradients together.
        use_ema: Whether to keep an exponential moving average of the weights, which replaces them
            at the end of training.
        ema_momentum: The part of the old average in the new one.
        ema_overwrite_frequency: After how many steps, again and again, weights are replaced by
            their averages during training.
        loss_scale_factor: What the loss is multiplied with, and gradients divided by.
        gradient_accumulation_steps: Of how many steps the gradients are averaged for an update.
        name: The name; made from the class's by default.
        **kwargs: `lr`, deprecated, for `learning_rate`; `decay`, ignored.

    Raises:
        ValueError: If an argument is unknown (the nearest known one is suggested) or has no sense.

    Example:
        >>> import jkeras as keras
        >>> class Plain(keras.optimizers.Optimizer):
        ...     def update_step(self, gradient, variable, learning_rate):
        ...         self.assign_sub(variable, learning_rate * gradient)
        >>> weight = keras.Variable([1.0, 2.0])
        >>> _ = Plain(0.5).apply_gradients([([2.0, 2.0], weight)])
        >>> weight.value.tolist()
        [0.0, 1.0]
    """

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        for name_of_old in kwargs.keys() & {"lr", "decay"}:
            self._arguments[1].pop(name_of_old, None)  # not to be found in the config
        learning_rate = arguments.take_old_arguments(learning_rate, kwargs)
        if kwargs:
            known = inspect.signature(type(self)).parameters
            hint = naming.nearest(next(iter(kwargs)), known)
            raise ValueError(f"Argument(s) not recognized: {kwargs}{hint}")
        self.name = name or naming.auto_name(naming.to_snake_case(type(self).__name__))
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        arguments.check_common(vars(self))

        self.built = False
        self._trainable_variables: list[Variable] = []
        self._not_decayed: set[Variable] = set()
        self._not_decayed_names: list[str] = []
        # Made by the constructor; by the latest build; and ever, so that a variable that was frozen
        # for a while finds its slots again.
        self._fixed: dict[Key, Variable] = {}
        self._made: dict[Key, Variable] = {}
        self._known: dict[Key, Variable] = {}
        self._iteration = self.add_variable((), dtype="int32", name="iteration")
        self._learning_rate: Any = None
        self._set_learning_rate(learning_rate)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in self.__dict__:  # not a property, such as the learning rate
            self.__dict__.pop("_compiled_step", None)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_compiled_step"}  # cannot be copied

    # -------------------------------------------------------------- to be overridden
    def build(self, variables: Sequence[Variable]) -> None:
        """Makes the slots; a subclass calls this first, then `add_optimizer_variables`.

        May be called again with other variables: those it knows keep their slots.

        Args:
            variables: The variables to train.
        """
        self.built = True
        self._trainable_variables = list(variables)
        self._made = {}
        if self.use_ema:
            for v in variables:  # the average of one that comes later starts from what it is then
                self.add_variable_from_reference(v, "average", initializer=v)
        if self.gradient_accumulation_steps:
            self.add_optimizer_variables(variables, "gradient_accumulator")

    def advance(self, step: Step) -> State:
        """Returns new values for some of `step.scalars`; called once a step, before the rule."""
        return {}

    def rule(self, step: Step) -> Callable[[Any, Any, State], tuple[Any, State]]:
        """Returns the update of one parameter in this step: a pure function.

        Args:
            step: What all parameters have in common, such as the learning rate.

        Returns:
            A function of a gradient, a parameter and its slots (arrays by name), that gives what to
            add to the parameter, and those slots that change.

        Example:
            >>> import jkeras as keras
            >>> class HeavyBall(keras.optimizers.Optimizer):
            ...     def build(self, variables):
            ...         super().build(variables)
            ...         self.add_optimizer_variables(variables, "speed")
            ...
            ...     def rule(self, step):
            ...         def update(gradient, parameter, slots):
            ...             speed = 0.9 * slots["speed"] - step.learning_rate * gradient
            ...             return speed, {"speed": speed}
            ...
            ...         return update
            >>> weight = keras.Variable([1.0, 2.0])
            >>> _ = HeavyBall(0.5).apply_gradients([([2.0, 2.0], weight)])
            >>> weight.value.tolist()
            [0.0, 1.0]
        """
        raise NotImplementedError(f"{type(self).__name__} has neither `update_step` nor `rule`.")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Updates one variable and its slots, with `assign`, `assign_add` and `assign_sub`.

        Args:
            gradient: The gradient.
            variable: The variable.
            learning_rate: The learning rate, a scalar.
        """
        slots = {name: cell for (name, of), cell in self._made.items() if of is variable}
        rule = self.rule(self.step_of(self._scalars())._replace(learning_rate=learning_rate))
        held = {name: cell.value for name, cell in slots.items()}
        change, new = rule(gradient, variable.value, held)
        for name, value in new.items():
            slots[name].assign(value)
        variable.assign_add(change)

    def weight_decay_of(self, variable: Variable) -> float | None:
        """Returns the weight decay of a variable that is not excluded from it."""
        return self.weight_decay

    # -------------------------------------------------------------- what it remembers
    def add_variable(
        self,
        shape: Any,
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Makes a variable of the whole optimizer, or finds the one an earlier build made.

        Args:
            shape: The shape.
            initializer: A name, an initializer, or a function of (shape, dtype).
            dtype: The dtype; `floatx()` by default.
            aggregation: Accepted for Keras's sake.
            layout: Accepted for Keras's sake.
            name: The name.

        Returns:
            The variable.
        """
        return self._add(name or "variable", None, shape, initializer, dtype)

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """Makes a slot, of the shape and dtype of a trained variable, or finds it.

        Args:
            reference_variable: The trained variable.
            name: The slot's name, such as `"momentum"`.
            initializer: A name, an initializer, a function of (shape, dtype), or a variable whose
                value the slot starts from.

        Returns:
            The slot; the one that an earlier build made, if there was one.
        """
        of = reference_variable
        return self._add(name or "var", of, of.shape, initializer, of.variable_dtype)

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Variable], name: Any, initializer: Any = "zeros"
    ) -> Any:
        """Makes slots for each of the trained variables.

        Args:
            trainable_variables: The trained variables.
            name: The slot's name, or a list of names for several slots.
            initializer: An initializer, or a list of them.

        Returns:
            The list of slots, or a tuple of such lists.
        """
        names = [name] if isinstance(name, str) else name
        several = isinstance(initializer, (list, tuple))
        starts = initializer if several else [initializer] * len(names)
        rows = [
            [self.add_variable_from_reference(v, *pair) for pair in zip(names, starts)]
            for v in trainable_variables
        ]
        columns = tuple([row[i] for row in rows] for i in range(len(names)))
        return columns[0] if isinstance(name, str) else columns

    def _add(
        self, name: str, of: Variable | None, shape: Any, initializer: Any, dtype: Any
    ) -> Variable:
        made = self._made if self.built else self._fixed
        key, count = (name, of), 0
        while key in made or key in self._fixed:
            count += 1
            key = (f"{name}_{count}", of)
        if key not in self._known:
            prefix = "" if of is None else of.path.replace("/", "_") + "_"
            start = _starting_from(initializer)
            with scope.root_names((self.name,)):
                self._known[key] = Variable(start, shape, dtype, False, name=prefix + key[0])
        made[key] = self._known[key]
        return made[key]

    def _all_cells(self) -> Iterable[tuple[Key, Variable]]:
        return {**self._fixed, **self._made}.items()

    def _scalars(self) -> State:
        return {name: cell.value for (name, of), cell in self._all_cells() if of is None}

    def cells(self, names: Mapping[Variable, Any]) -> State:
        """Returns the variables it remembers in, arranged as the arrays in a state are.

        Args:
            names: The trained variables whose slots are wanted, and what to call them.
        """
        cells: State = {}
        for (name, of), cell in self._all_cells():
            if of is None:
                cells[name] = cell
            elif of in names:
                cells.setdefault(name, {})[names[of]] = cell
        return cells

    @property
    def variables(self) -> list[Variable]:
        """All it remembers: iteration, learning rate, averages, accumulators, slots."""
        return [cell for _, cell in self._all_cells()]

    @property
    def iterations(self) -> Any:
        """How many updates were made."""
        return self.updates_before(self._iteration)

    @property
    def learning_rate(self) -> Any:
        """The current learning rate; setting it compiles nothing again.

        Raises:
            TypeError: If a number is set where a schedule is.
            ValueError: If the number is negative or not finite.
        """
        if isinstance(self._learning_rate, Variable):
            return self._learning_rate
        return self.step_of({"iteration": self._iteration.value}).learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self._set_learning_rate(value)

    def _set_learning_rate(self, value: Any) -> None:
        value = arguments.standardize_learning_rate(value)
        if isinstance(self._learning_rate, Variable) and not callable(value):
            self._learning_rate.assign(value)
            return
        if callable(self._learning_rate) and not callable(value):
            raise TypeError(
                "This optimizer was created with a `LearningRateSchedule` object as its "
                "`learning_rate` constructor argument, hence its learning rate is not settable. "
                "If you need the learning rate to be settable, you should instantiate the "
                "optimizer with a float `learning_rate` argument."
            )
        self._fixed.pop(("learning_rate", None), None)
        if not callable(value):
            dtype = "float64" if settings.floatx() == "float64" else "float32"
            with scope.root_names((self.name,)):
                value = Variable(value, dtype=dtype, trainable=False, name="learning_rate")
            self._fixed["learning_rate", None] = value
        self._learning_rate = value

    @property
    def lr(self) -> Any:
        """Keras 2's name of `learning_rate`."""
        warn_deprecated("`optimizer.lr` is deprecated: use `learning_rate`.")
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        warn_deprecated("`optimizer.lr` is deprecated: use `learning_rate`.")
        self.learning_rate = value

    # -------------------------------------------------------------- as a pure function
    def transform(
        self, names: Mapping[Variable, str] | None = None
    ) -> optax.GradientTransformation:
        """Returns two pure functions: `init(params)` and `update(grads, state, params)`.

        The state is a dict: `"iteration"`, `"learning_rate"` (if no schedule gives it), and for
        each slot a dict by the parameters' paths. What this object's variables hold is not touched.

        Args:
            names: What variables are called in `params`; needed if a setting names variables
                themselves. The optimizer must be built on those that are in `params`.

        Raises:
            ValueError: By the functions, if it is not; or if variables were excluded from weight
                decay, and `names` is not given.

        Example:
            >>> import jax.numpy as jnp, jkeras as keras, optax
            >>> optimizer = keras.optimizers.SGD(0.5, momentum=0.9).transform()
            >>> params = {"w": jnp.ones(2)}
            >>> state = optimizer.init(params)
            >>> updates, state = optimizer.update({"w": jnp.ones(2)}, state, params)
            >>> optax.apply_updates(params, updates)["w"].tolist()
            [0.5, 0.5]
            >>> state["momentum"]["w"].tolist()
            [-0.5, -0.5]
        """
        return transformation.transform(self, names)

    def advance_state(
        self, known: Mapping[Any, Variable], grads: State, state: State, params: State
    ) -> tuple[State, State]:
        """Returns what to add to each parameter that has a gradient, and the new state.

        Args:
            known: The trained variables by their names in the other arguments.
            grads: Gradients, of some or all of the parameters.
            state: The state.
            params: The parameters.
        """
        return update.advance(self, known, grads, state, params)

    def unbuilt(self) -> Self:
        """Returns a copy with the same settings, which may be built for other variables."""
        if self._not_decayed:
            raise ValueError(
                "Variables were excluded from weight decay, but parameters are known by their "
                "names only.\nSay what the variables are called, `optimizer.transform(names)`, or "
                "exclude them by name, `optimizer.exclude_from_weight_decay(var_names=...)`."
            )
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, (list, dict, set)):
                setattr(other, name, copy.copy(value))
        other.built, other._made, other._known = False, {}, {}
        return other

    @property
    def assigns(self) -> bool:
        """Whether its rule is an `update_step`, as in Keras, and not a `rule`."""
        return type(self).update_step is not Optimizer.update_step

    def step_of(self, state: State) -> Step:
        """Returns what all parameters have in common in the step that starts from `state`."""
        rate = self._learning_rate
        if isinstance(rate, Variable):
            rate = state["learning_rate"]
        else:
            rate = rate() if arguments.takes_nothing(rate) else rate(state["iteration"])
            rate = jnp.asarray(rate, float)
        number = (self.updates_before(state["iteration"]) + 1).astype(rate.dtype)
        return Step(number, rate, {k: x for k, x in state.items() if not isinstance(x, dict)})

    def updates_before(self, iteration: Any) -> Any:
        """Returns how many updates there are in `iteration` steps, some of which only add up."""
        steps = self.gradient_accumulation_steps
        return iteration // steps if steps else iteration

    def loss_scale(self, state: State) -> Any:
        """Returns what to multiply the loss with before taking gradients, or None.

        Args:
            state: The state before the step.
        """
        return self.loss_scale_factor

    # -------------------------------------------------------------- between variables and states
    def read(self, names: Mapping[Variable, Any]) -> State:
        """Returns the state, which may be donated: `write` has to follow.

        Its arrays are those that the variables hold; only what the user may hold too is copied.

        Args:
            names: The trained variables, and what to call them in the state.

        Raises:
            ValueError: If it was not built for one of them.
        """
        self.check_known(names)
        return update.map_cells(Variable.hand_over, self.cells(names))

    def write(self, state: State, names: Mapping[Variable, Any]) -> None:
        """Makes the variables hold the arrays of a state; no data is copied."""
        update.map_cells(Variable.set_cell, self.cells(names), state)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Any:
        """Updates variables.

        Args:
            grads_and_vars: Pairs of a gradient and its variable.

        Returns:
            How many updates were made: `iterations`.
        """
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])
        return self.iterations

    def apply(
        self, grads: Iterable[Any], trainable_variables: Iterable[Variable] | None = None
    ) -> None:
        """Updates variables, and applies their constraints.

        Args:
            grads: The gradients; None for a variable that has none.
            trainable_variables: Their variables; those it was built on by default.

        Raises:
            ValueError: If it was not built for a variable, or nothing has a gradient.
        """
        grads = list(grads)
        if trainable_variables is not None:
            grads = self._matched(grads, list(trainable_variables))
        elif not self.built:
            raise ValueError(
                "When passing `grads` without `variables`, the optimizer must already be built on "
                "a list of variables. Call `optimizer.build(trainable_variables)` first."
            )
        if not grads:
            return
        trained, mine = self._trainable_variables, self.variables
        old_trained, old_mine = [v.value for v in trained], [v.value for v in mine]
        new_trained, new_mine = self.stateless_apply(old_mine, grads, old_trained)
        here = scope.current()
        write = Variable.set_cell if here is None else here.write
        for variable, old, new in zip(
            trained + mine, old_trained + old_mine, new_trained + new_mine
        ):
            if new is not old:  # which the user may hold as well
                write(variable, new)

    def _matched(self, grads: list[Any], variables: list[Variable]) -> list[Any]:
        """Returns the gradients of the variables it was built on, None where there is none."""
        if not self.built:
            self.build(variables)
        self.check_known(variables)
        arguments.check_length("grads", grads, "trainable_variables", variables)
        missing = [v.path for v, g in zip(variables, grads) if g is None]
        if missing and len(missing) < len(variables):
            warnings.warn(
                f"Gradients do not exist for variables {missing} when minimizing the loss. If "
                "using `model.compile()`, did you forget to provide a `loss` argument?",
                stacklevel=3,
            )
        given = dict(zip(variables, grads))
        return [given.get(v) for v in self._trainable_variables] if given else []

    def stateless_apply(
        self,
        optimizer_variables: Sequence[Any],
        grads: Sequence[Any],
        trainable_variables: Sequence[Any],
    ) -> tuple[list[Any], list[Any]]:
        """Does what `apply` does, as a pure function of arrays.

        Args:
            optimizer_variables: What `variables` hold.
            grads: The gradients of the variables it was built on.
            trainable_variables: What those hold.

        Returns:
            What the trained variables hold after the step, and what `variables` hold.

        Raises:
            ValueError: If it is not built, or a list has the wrong length.
        """
        if not self.built:
            raise ValueError(
                f"To call `stateless_apply`, {type(self).__name__} must be built (i.e. its "
                "variables must have been created). You can build it via "
                "`optimizer.build(trainable_variables)`."
            )
        mine, trained = self.variables, self._trainable_variables
        arguments.check_length("optimizer_variables", optimizer_variables, "variables", mine)
        arguments.check_length("grads", grads, "the trained variables", trained)
        arguments.check_length(
            "trainable_variables", trainable_variables, "the trained variables", trained
        )
        given = {i: _as_array(g) for i, g in enumerate(grads) if g is not None}
        if not given:
            raise ValueError("No gradients provided for any variable.")
        cells = self.cells({v: i for i, v in enumerate(trained)})
        values = dict(zip(mine, optimizer_variables))
        params, state = self._compiled_step(
            given,
            update.map_cells(values.__getitem__, cells),
            {i: _as_array(p) for i, p in enumerate(trainable_variables)},
        )
        values.update(zip(update.cell_leaves(cells), jax.tree.leaves(state)))
        return [params[i] for i in range(len(trained))], [values[v] for v in mine]

    @functools.cached_property
    def _compiled_step(self) -> Callable[[State, State, State], tuple[State, State]]:
        known = dict(enumerate(self._trainable_variables))

        @jax.jit
        def step(grads: State, state: State, params: State) -> tuple[State, State]:
            updates, state = self.advance_state(known, grads, state, params)
            for i, change in updates.items():
                new = optax.apply_updates(params[i], change)
                constraint = known[i].constraint
                params[i] = constraint(new) if constraint else new
            return params, state

        return step

    def check_known(self, variables: Iterable[Variable]) -> None:
        """Raises a ValueError if it was not built for one of the variables."""
        known = set(self._trainable_variables)
        for variable in variables:
            if variable not in known:
                raise ValueError(
                    f"Unknown variable: {variable!r}. This optimizer can only be called for the "
                    "variables it was originally built with. When working with a new set of "
                    "variables, call `optimizer.build(variables)` with all of them first."
                )

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """Replaces variables by their moving averages, if `use_ema`; `fit` does so at its end."""
        for variable in var_list if self.use_ema else ():
            variable.assign(self._made["average", variable].value)

    def scale_loss(self, loss: Any) -> Any:
        """Returns the loss times the loss scale, if there is one."""
        scale = self.loss_scale(self._scalars())
        return loss if scale is None else loss * scale

    def assign(self, variable: Variable, value: Any) -> None:
        """Sets a variable, in `update_step`."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """Adds to a variable, in `update_step`."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """Subtracts from a variable, in `update_step`."""
        variable.assign_sub(value)

    # -------------------------------------------------------------- settings, files
    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Excepts variables from weight decay; to be called before the optimizer is built.

        Args:
            var_list: Variables.
            var_names: Regular expressions, searched for in variables' names and paths.

        Raises:
            ValueError: If the optimizer is built already.
        """
        if self.built:
            raise ValueError(
                "`exclude_from_weight_decay()` can only be configured before the optimizer is "
                "built."
            )
        self._not_decayed |= set(var_list or ())
        self._not_decayed_names += list(var_names or ())

    def is_decayed(self, variable: Variable) -> bool:
        """Whether `exclude_from_weight_decay` leaves a variable alone."""
        names = (variable.name, variable.path)
        return variable not in self._not_decayed and not any(
            re.search(pattern, name) for pattern in self._not_decayed_names for name in names
        )

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Makes `variables` hold these arrays.

        Raises:
            ValueError: If a shape differs; then nothing is set.
        """
        pairs = list(zip(self.variables, weights))
        for variable, weight in pairs:
            if variable.shape != np.shape(weight):
                raise ValueError(
                    f"Optimizer variable {variable.path!r} has shape {variable.shape} not "
                    f"compatible with provided weight shape {np.shape(weight)}."
                )
        for variable, weight in pairs:
            variable.assign(weight)

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Puts what `variables` hold into `store`, under `"0"`, `"1"`, ..."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Takes what `save_own_variables` stored; warns, and takes nothing, if counts differ."""
        if len(store) != len(self.variables):
            warnings.warn(
                f"Skipping variable loading for optimizer {self.name!r}, because it has "
                f"{len(self.variables)} variables whereas the saved optimizer has {len(store)} "
                "variables.",
                stacklevel=2,
            )
            return
        self.set_weights([store[str(i)] for i in range(len(store))])

    def get_config(self) -> dict[str, Any]:
        values, rate = registry.constructor_arguments(self), self._learning_rate
        rate = float(rate.value) if isinstance(rate, Variable) else rate
        values.update(
            {k: v for k, v in (("name", self.name), ("learning_rate", rate)) if k in values}
        )
        return {k: registry.serialize_keras_object(v) for k, v in values.items()}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        with registry.CustomObjectScope(custom_objects):
            return super().from_config(config)


# Writes the arguments of `Optimizer` out in the signature of a constructor with `**common`.
takes_common_arguments = takes_arguments_of(Optimizer.__init__)


def _starting_from(initializer: Any) -> Callable[..., Any]:
    """Returns a function of (shape, dtype) that needs no seed."""
    if isinstance(initializer, Variable):
        # A copy, because the two will be updated in place.
        return lambda shape, dtype: jnp.array(initializer.value, dtype, copy=True)
    initializer = initializers.get("zeros" if initializer is None else initializer)
    if isinstance(initializer, initializers.Initializer):
        return lambda shape, dtype: initializer.draw(shape, dtype, jax.random.key(0))
    return initializer


def _as_array(x: Any) -> jax.Array:
    return x if isinstance(x, jax.Array) else jnp.asarray(x)
