"""How a layer becomes a pure function: scopes, variables, layers, graphs.

Import from the modules of this package; it re-exports nothing.
"""
