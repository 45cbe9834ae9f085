"""Warnings about Keras 2's spellings, pointed at the user's own line."""

import os
import sys
import warnings

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def warn_deprecated(message: str, category: type[Warning] = DeprecationWarning) -> None:
    """Warns that a spelling is deprecated, at the first caller outside of this library."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
