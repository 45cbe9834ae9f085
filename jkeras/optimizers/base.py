"""Optimizer: an optax transformation, and Keras's spelling over the variables it trains."""

import copy
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import optax

from jkeras.base import naming, registry, settings
from jkeras.base.types import ArrayLike, LearningRate
from jkeras.constraints import constrained
from jkeras.core import scope
from jkeras.core.signatures import Init, takes_arguments_of
from jkeras.core.variable import Variable
from jkeras.optimizers import arguments, cells, rules
from jkeras.optimizers.cells import State
from jkeras.optimizers.rules import Part, Step


class Optimizer(cells.Remembers):
    """The base of optimizers.

    A subclass names its slots (in `build`, or as `_slots`), and gives its rule in one of two ways:
    `update_step`, as in Keras, which assigns to variables; or `rule`, a pure function of arrays.
    Both work everywhere: in `fit`, in a loop of your own, and as an optax transformation.

    Args:
        learning_rate: A float, a schedule, or a function of the step (or of nothing).
        weight_decay: The fraction of each weight, times the learning rate, taken off at each step.
        clipnorm: The largest norm of each gradient.
        clipvalue: The largest absolute value in gradients.
        global_clipnorm: The largest norm of all gradients together.
        use_ema: Whether to keep an exponential moving average of the weights, which replaces them
            at the end of training.
        ema_momentum: The fraction of the old average in the new one.
        ema_overwrite_frequency: After how many steps, again and again, weights are replaced by
            their averages during training.
        loss_scale_factor: What the loss is multiplied with, and gradients divided by.
        gradient_accumulation_steps: Of how many steps the gradients are averaged for an update.
        name: The name; made from the class's by default.
        **kwargs: `lr`, deprecated, for `learning_rate`; `decay`, ignored.

    Raises:
        ValueError: If an argument is unknown (the nearest known one is suggested) or invalid.

    Example:
        >>> import jkeras as keras
        >>> class Plain(keras.optimizers.Optimizer):
        ...     def update_step(self, gradient, variable, learning_rate):
        ...         self.assign_sub(variable, learning_rate * gradient)
        >>> weight = keras.Variable([1.0, 2.0])
        >>> _ = Plain(0.5).apply_gradients([([2.0, 2.0], weight)])
        >>> weight.value.tolist()
        [0.0, 1.0]
        >>> adam = keras.optimizers.Adam()
        >>> adam.build([weight])
        >>> [variable.name for variable in adam.variables]
        ['iteration', 'learning_rate', 'variable_momentum', 'variable_velocity']
    """

    # The slots of each trained variable, in groups: files hold one group after the other.
    _slots: tuple[tuple[str, ...], ...] = ()
    # Arguments that old programs give; what they mean has other names in configs.
    _old_arguments = frozenset({"lr", "decay"})

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        old = cls._old_arguments - inspect.signature(cls.__init__).parameters.keys()
        return super().__new__(cls, *args, **{k: v for k, v in kwargs.items() if k not in old})

    @arguments.checks_arguments
    def __init__(
        self,
        learning_rate: LearningRate,
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
        learning_rate = arguments.take_old_arguments(learning_rate, kwargs)
        arguments.refuse_unknown(kwargs, type(self))
        self.name = name or naming.auto_name(naming.to_snake_case(type(self).__name__))
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        arguments.check_clips(clipnorm, clipvalue, global_clipnorm)
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.built = False
        self._trainable_variables: list[Variable] = []
        self._not_decayed: set[Variable] = set()
        self._not_decayed_names: list[str] = []
        self._forget()
        self._iterations = self.add_variable((), dtype="int32", name="iteration")
        self._learning_rate: Any = None
        self.schedules_set = 0  # a program holds its schedule: it is known by this number
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
        for group in self._slots:
            self.add_optimizer_variables(variables, group)

    def advance(self, step: Step) -> State:
        """Returns new values for some of `step.scalars`; called once a step, before the rule."""
        return {}

    def rule(self, step: Step) -> Part | Callable[[Any, Any, State], tuple[Any, State]]:
        """Returns the update of this step: a pure function.

        Args:
            step: What all parameters have in common, such as the learning rate.

        Returns:
            A function of a gradient, a parameter and its slots (arrays by name), that gives what to
            add to the parameter, and those slots that change. Or an optax transformation of flat
            dicts whose state is the slots, each a dict by parameter, as built-in optimizers have.

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

    def update_step(
        self, gradient: ArrayLike, variable: Variable, learning_rate: ArrayLike
    ) -> None:
        """Updates one variable and its slots, with `assign`, `assign_add` and `assign_sub`.

        Args:
            gradient: The gradient.
            variable: The variable.
            learning_rate: The learning rate, a scalar.
        """
        slots = {name: cell for (name, of), cell in self._made.items() if of is variable}
        step = self.step_of(self._scalars())._replace(learning_rate=learning_rate)
        state = {name: {0: cell.value} for name, cell in slots.items()}
        updates, new = self._part(step).update({0: gradient}, state, {0: variable.value})
        for name, cell in slots.items():
            cell.assign(new[name][0])
        variable.assign_add(updates[0])

    def weight_decay_of(self, variable: Variable) -> float | None:
        """Returns the weight decay of a variable that is not excluded from it."""
        return self.weight_decay

    # -------------------------------------------------------------- as a pure function
    def transformation(
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
            >>> optimizer = keras.optimizers.SGD(0.5, momentum=0.9).transformation()
            >>> params = {"w": jnp.ones(2)}
            >>> state = optimizer.init(params)
            >>> updates, state = optimizer.update({"w": jnp.ones(2)}, state, params)
            >>> optax.apply_updates(params, updates)["w"].tolist()
            [0.5, 0.5]
            >>> state["momentum"]["w"].tolist()
            [-0.5, -0.5]
        """
        named = None if names is None else {name: variable for variable, name in names.items()}

        def bound(params: dict[str, Any]) -> Part:
            if named is None:
                known = {path: cells.stand_in(path, array) for path, array in params.items()}
                worker = self.unbuilt()
                worker.build(list(known.values()))
                return worker.part_for(known)
            if not params.keys() <= named.keys():
                raise ValueError(f"No variables are called {sorted(params.keys() - named.keys())}.")
            known = {path: named[path] for path in params}
            arguments.check_known(self._trainable_variables, known.values())
            return self.part_for(known)

        def init(params: Any) -> State:
            flat = cells.by_path(params)
            return dict(bound(flat).init(flat))

        def update(grads: Any, state: Any, params: Any = None) -> tuple[Any, State]:
            if params is None:
                raise ValueError("Pass the parameters as well: update(grads, state, params).")
            flat = cells.by_path(params)
            updates, state = bound(flat).update(cells.by_path(grads), state, flat)
            zeros = {k: jnp.zeros_like(p) for k, p in flat.items() if k not in updates}
            updates = {**updates, **zeros}
            leaves = [updates[k] for k in flat]
            return jax.tree.unflatten(jax.tree.structure(params), leaves), state

        return optax.GradientTransformation(init, update)

    transform = transformation

    def part_for(self, known: Mapping[Any, Variable]) -> Part:
        """Returns the transformation of flat dicts by names, told which variables they stand for.

        Args:
            known: The trained variables, on which it is built, by their names.
        """
        own = cells.Remembers.cells(self, {v: k for k, v in known.items()})
        replaced = {k for k, v in known.items() if v.overwrite_with_gradient}

        def step(grads: State, state: State, params: State) -> tuple[State, State]:
            moved = self.advance(self.step_of(state))
            state = {**state, **{k: x.astype(state[k].dtype) for k, x in moved.items()}}
            now = self.step_of(state)
            if type(self).update_step is Optimizer.update_step:
                rule = rules.narrowed(self._part(now))
            else:
                method = functools.partial(self.update_step, learning_rate=now.learning_rate)
                rule = rules.assigning(method, own, known)
            clip = rules.clipped(self.clipnorm, self.clipvalue, self.global_clipnorm)
            decays = {k: self.weight_decay_of(known[k]) for k in grads if self._decays(known[k])}
            # A traced one is one of many models'.
            wanted = {k: x for k, x in decays.items() if isinstance(x, jax.Array) or x}
            rates = {k: now.learning_rate * x for k, x in wanted.items()}
            return rules.decayed(rules.chain(clip, rule), rates).update(grads, state, params)

        inner = rules.overwriting(rules.part(step), replaced)
        if self.gradient_accumulation_steps:
            inner = rules.accumulated(inner, self.gradient_accumulation_steps, replaced)
        if self.use_ema:
            frequency = self.ema_overwrite_frequency
            inner = rules.averaged(inner, self.ema_momentum, frequency, self.updates_before)

        def init(params: State) -> State:
            with scope.enter(scope.Pure({known[k]: p for k, p in params.items()})):
                # Copies, because whoever trains with the state may donate it.
                return cells.map_cells(lambda cell: jnp.array(cell.initial_value(), copy=True), own)

        def update(grads: State, state: State, params: State) -> tuple[State, State]:
            grads = rules.checked(grads, params, known)
            if self.loss_scale_factor:
                grads = rules.unscaled(grads, self.loss_scale_factor, replaced)
            updates, state = inner.update(grads, state, params)
            return updates, {**state, "iteration": state["iteration"] + 1}

        return optax.GradientTransformation(init, update)

    def _part(self, step: Step) -> Part:
        rule = self.rule(step)
        return rule if isinstance(rule, optax.GradientTransformation) else rules.each(rule)

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

    def updates_before(self, iteration: ArrayLike) -> ArrayLike:
        """Returns how many updates there are in `iteration` steps, some of which only add up."""
        steps = self.gradient_accumulation_steps
        return iteration // steps if steps else iteration

    # -------------------------------------------------------------- on variables
    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> ArrayLike:
        """Updates variables.

        Args:
            grads_and_vars: Pairs of a gradient and its variable.

        Returns:
            How many updates were made: `iterations`.

        Example:
            >>> import jkeras as keras
            >>> weight = keras.Variable([1.0, 2.0])
            >>> _ = keras.optimizers.SGD(0.5).apply_gradients([([2.0, 2.0], weight)])
            >>> weight.numpy().tolist()
            [0.0, 1.0]
        """
        self.apply(*arguments.unzipped(grads_and_vars))
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
        grads, trained = list(grads), self._trainable_variables
        if trainable_variables is not None:
            variables = list(trainable_variables)
            if not self.built:
                self.build(variables)
            arguments.check_known(self._trainable_variables, variables)
            arguments.check_length("grads", grads, "trainable_variables", variables)
            arguments.warn_of_missing(grads, variables)
            given, trained = dict(zip(variables, grads)), self._trainable_variables
            grads = [given.get(v) for v in trained] if given else []
        elif not self.built:
            raise ValueError(
                "When passing `grads` without `variables`, the optimizer must already be built on "
                "a list of variables. Call `optimizer.build(trainable_variables)` first."
            )
        if not grads:
            return
        held = [*self.variables, *trained]
        before = [v.value for v in held]
        count = len(held) - len(trained)
        new_trained, new_mine = self.stateless_apply(before[:count], grads, before[count:])
        here = scope.current()
        write = Variable.set_cell if here is None else here.write
        for variable, old, new in zip(held, before, new_mine + new_trained, strict=True):
            if new is not old:  # which the user may hold as well
                write(variable, new)

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
        return self._compiled_step(
            given, list(optimizer_variables), [_as_array(p) for p in trainable_variables]
        )

    @functools.cached_property
    def _compiled_step(self) -> Callable[[State, list, list], tuple[list, list]]:
        @jax.jit
        def step(grads: State, mine: list, params: list) -> tuple[list, list]:
            known = dict(enumerate(self._trainable_variables))
            tree = self.cells({v: i for i, v in known.items()})
            values = dict(zip(self.variables, mine, strict=True))
            state = cells.map_cells(values.__getitem__, tree)
            updates, state = self.part_for(known).update(grads, state, dict(enumerate(params)))
            for i, change in updates.items():
                new, constraint = optax.apply_updates(params[i], change), known[i].constraint
                params[i] = constrained(constraint, new, known[i].path) if constraint else new
            values.update(zip(cells.cell_leaves(tree), jax.tree.leaves(state), strict=True))
            return params, list(values.values())

        return step

    def averages(self) -> dict[Variable, Variable]:
        """Returns the moving averages by their variables: of those it is built on, if `use_ema`."""
        return {
            of: cell
            for (name, of), cell in self._made.items()
            if of is not None and name == "average"
        }

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """Replaces variables by their moving averages, if `use_ema`; `fit` does so at its end."""
        averages = self.averages()
        for variable in var_list:
            if variable in averages:
                variable.assign(averages[variable].value)

    def loss_scale(self, state: State) -> ArrayLike:
        """Returns what to multiply the loss with before taking gradients, or None.

        Args:
            state: The state before the step.
        """
        return self.loss_scale_factor

    def scale_loss(self, loss: ArrayLike) -> ArrayLike:
        """Returns the loss times the loss scale, if there is one."""
        scale = self.loss_scale(self._scalars())
        return loss if scale is None else loss * scale

    # -------------------------------------------------------------- settings
    @property
    def rated_optimizers(self) -> "dict[str, Optimizer]":
        """The optimizers that have a learning rate of their own, by what logs call it."""
        return {"learning_rate": self}

    @property
    def iterations(self) -> ArrayLike:
        """How many updates were made.

        Example:
            >>> import jkeras as keras
            >>> optimizer = keras.optimizers.SGD(0.5)
            >>> weight = keras.Variable([1.0])
            >>> _ = optimizer.apply_gradients([([1.0], weight)])
            >>> int(optimizer.iterations)
            1
        """
        return self.updates_before(self._iterations)

    @property
    def learning_rate(self) -> LearningRate:
        """The current learning rate; setting it compiles nothing again.

        Raises:
            TypeError: If a number is set where a schedule is.
            ValueError: If the number is negative or not finite.

        Example:
            >>> import jkeras as keras
            >>> optimizer = keras.optimizers.Adam(0.01)
            >>> optimizer.learning_rate = 0.5
            >>> float(optimizer.learning_rate)
            0.5
        """
        if isinstance(self._learning_rate, Variable):
            return self._learning_rate
        return self.step_of({"iteration": self._iterations.value}).learning_rate

    @learning_rate.setter
    def learning_rate(self, value: LearningRate) -> None:
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
        self.schedules_set += callable(value)
        self._learning_rate = value

    lr = arguments.old_name("lr", "learning_rate")

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

    def _decays(self, variable: Variable) -> bool:
        names, patterns = (variable.name, variable.path), self._not_decayed_names
        found = any(re.search(pattern, name) for pattern in patterns for name in names)
        return variable not in self._not_decayed and not found

    def get_config(self) -> dict[str, Any]:
        """Returns a JSON-able dict from which `from_config` makes an equal optimizer.

        Example:
            >>> import jkeras as keras
            >>> config = keras.optimizers.SGD(0.5, momentum=0.9).get_config()
            >>> config["learning_rate"], config["momentum"]
            (0.5, 0.9)
        """
        values, rate = registry.constructor_arguments(self), self._learning_rate
        rate = float(rate.value) if isinstance(rate, Variable) else rate
        for name, value in (("name", self.name), ("learning_rate", rate)):
            if name in values:
                values[name] = value
        return {k: registry.serialize_keras_object(v) for k, v in values.items()}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Makes an optimizer from the dict that `get_config` returned.

        Args:
            config: The dict.
            custom_objects: Names of your own classes and functions.

        Example:
            >>> import jkeras as keras
            >>> config = keras.optimizers.SGD(0.5, momentum=0.9).get_config()
            >>> keras.optimizers.SGD.from_config(config).momentum
            0.9
        """
        with registry.CustomObjectScope(custom_objects):
            return super().from_config(config)


def _as_array(x: ArrayLike) -> jax.Array:
    return x if isinstance(x, jax.Array) else jnp.asarray(x)  # which takes long for an array


def takes_common_arguments(init: Init) -> Init:
    """Writes the arguments of `Optimizer` out in a constructor with `**common`; checks them all."""
    return takes_arguments_of(Optimizer.__init__)(arguments.checks_arguments(init))
