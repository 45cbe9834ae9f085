"""What everything else stands on: settings, names, the registry of classes, random keys, warnings.

Import from the modules of this package; it re-exports nothing.
"""
