"""An optimizer as an optax transformation: a pair of pure functions of any pytree."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import optax

from jkeras.core import scope
from jkeras.core.variable import Variable
from jkeras.optimizers.update import map_cells

if TYPE_CHECKING:
    from jkeras.optimizers.base import Optimizer


def transform(
    optimizer: "Optimizer", names: Mapping[Variable, str] | None = None
) -> optax.GradientTransformation:
    """Returns an optimizer as a transformation; see `Optimizer.transform`."""
    named = None if names is None else {name: variable for variable, name in names.items()}

    def bind(params: dict[str, Any]) -> tuple["Optimizer", dict[str, Variable]]:
        if named is not None:
            if not params.keys() <= named.keys():
                raise ValueError(f"No variables are called {sorted(params.keys() - named.keys())}.")
            known = {path: named[path] for path in params}
            optimizer.check_known(known.values())
            return optimizer, known
        known = {path: _stand_in(path, array) for path, array in params.items()}
        worker = optimizer.unbuilt()
        worker.build(list(known.values()))
        return worker, known

    def init(params: Any) -> Any:
        params = _by_path(params)
        worker, known = bind(params)
        cells = worker.cells({variable: path for path, variable in known.items()})
        with scope.enter(scope.Pure({known[k]: p for k, p in params.items()})):
            # Copies, because whoever trains with the state may donate it.
            return map_cells(lambda cell: jnp.array(cell.initial_value(), copy=True), cells)

    def update(grads: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        if params is None:
            raise ValueError("Pass the parameters as well: update(grads, state, params).")
        flat = _by_path(params)
        worker, known = bind(flat)
        updates, state = worker.advance_state(known, _by_path(grads), state, flat)
        return jax.tree_util.tree_map_with_path(
            lambda path, p: updates[_name(path)] if _name(path) in updates else jnp.zeros_like(p),
            params,
        ), state

    return optax.GradientTransformation(init, update)


def _by_path(tree: Any) -> dict[str, Any]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {_name(path): leaf for path, leaf in leaves}


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/") or "params"


def _stand_in(path: str, array: Any) -> Variable:
    """Returns a variable that is described as a parameter is; it never holds anything."""
    variable = Variable(jnp.zeros, jnp.shape(array), array.dtype, name=path.rsplit("/", 1)[-1])
    variable.path = path
    return variable
