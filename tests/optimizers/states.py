"""What an optimizer's variables hold, arranged as a state."""

import jax

from jkeras.core.variable import Variable


def state_of(optimizer, names):
    """Returns the arrays as `fit` takes them: whoever gets them may destroy them."""
    return jax.tree.map(
        Variable.hand_over, optimizer.cells(names), is_leaf=lambda x: isinstance(x, Variable)
    )
