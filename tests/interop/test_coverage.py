"""docs/coverage.md says what is true of the installed packages."""

import inspect

import keras
import pytest

from tests.tools.keras_names import AREAS, find
from tests.tools.make_coverage import PAGE, page

NAMESPACES = [area for area in AREAS if not area.endswith("'s members")]


@pytest.mark.parametrize("area", NAMESPACES)
def test_names_are_those_of_installed_keras(area):
    module = keras if area == "keras" else find(keras, area)
    public = {n for n, v in vars(module).items() if n[0] != "_" and not inspect.ismodule(v)}
    listed = {n for tier in AREAS[area].values() for n in tier}
    assert {n for n in listed if "." not in n and n != "__version__"} == public
    assert all(find(module, n) is not None for n in listed)


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == page(), "run python -m tests.tools.make_coverage"
