"""What a session is made of: names that count up, a global seed, a global dtype policy."""

import gc

from jkeras.base import keys, naming
from jkeras.core import policy


def clear_session(free_memory: bool = True) -> None:
    """Starts a new session: names count from zero, a chosen seed and the dtype policy start again.

    Args:
        free_memory: Whether to let Python collect garbage.

    Example:
        >>> import jkeras as keras
        >>> keras.utils.clear_session()
        >>> keras.layers.Dense(1).name, keras.layers.Dense(1).name
        ('dense', 'dense_1')
    """
    naming.reset_names()
    keys.reset_global_seed()
    policy.reset_policy()
    if free_memory:
        gc.collect()
