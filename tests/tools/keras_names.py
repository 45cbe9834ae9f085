"""The public names of Keras with their tiers, from keras_names.toml."""

import tomllib
from pathlib import Path

FILE = Path(__file__).with_suffix(".toml")
# {area: {tier: names}}; an area is a namespace, or "Layer's members".
AREAS: dict[str, dict[str, list[str]]] = {
    area: {tier: names.split() for tier, names in tiers.items()}
    for area, tiers in tomllib.loads(FILE.read_text()).items()
}
# {"losses.Huber": "A"}
TIERS = {
    (name if area == "keras" else f"{area}.{name}"): tier
    for area, tiers in AREAS.items()
    for tier, names in tiers.items()
    for name in names
}


def find(root, name):
    """Returns what a dotted name stands for in a package, or None."""
    for word in name.split("."):
        root = getattr(root, word, None)
    return root
