"""Pictures of what was measured once: the figures are kept beside them, to be drawn from again."""

import json


def picture(path, measure, draw, again=False):
    """Writes a picture, and the figures that it is drawn from.

    Args:
        path: The picture; the figures are in the `.json` file of its name.
        measure: A function that returns the figures.
        draw: A function of the figures that returns the picture as SVG.
        again: Whether to draw from the kept figures, and to measure nothing.

    Returns:
        The figures.
    """
    kept = path.with_suffix(".json")
    if not again:
        path.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps(measure(), ensure_ascii=False) + "\n", "utf-8")
    found = json.loads(kept.read_text("utf-8"))
    path.write_text(draw(found), "utf-8")
    return found
