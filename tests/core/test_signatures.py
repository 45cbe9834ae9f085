"""Constructors whose signatures are written out."""

import inspect

import pytest

from jkeras.core.signatures import takes_arguments_of


class Shape:
    def __init__(self, color="red", width=1, **kwargs):
        self.got = color, width, kwargs


class Circle(Shape):
    @takes_arguments_of(Shape.__init__, without=["width"])
    def __init__(self, radius, *, filled=False, **options):
        super().__init__(**options)
        self.radius, self.filled = radius, filled


def test_arguments_of_another_constructor():
    assert str(inspect.signature(Circle)) == "(radius, color='red', filled=False, **kwargs)"
    circle = Circle(2.0, "blue", True, name="c")
    assert (circle.radius, circle.filled, circle.got) == (2.0, True, ("blue", 1, {"name": "c"}))
    assert Circle(radius=2.0).got == ("red", 1, {})


def test_a_call_that_does_not_fit_names_the_class():
    with pytest.raises(TypeError, match=r"Circle.__init__\(\): missing .*'radius'"):
        Circle()
    with pytest.raises(TypeError, match=r"Circle.__init__\(\): multiple values .*'color'"):
        Circle(2.0, "blue", color="red")
