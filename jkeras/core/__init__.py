"""How a layer becomes a pure function: scopes, variables, layers, graphs, configs.

Import from the modules of this package; it re-exports nothing, so that the array-level modules can
use `core.registry` and `core.settings` without loading layers.
"""
