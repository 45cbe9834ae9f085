"""The table that `summary` prints: character by character what Keras prints."""

import jkeras as keras
from jkeras import layers

BRANCHED = """\
Model: "functional"
┏━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┓
┃ Layer (type)        ┃ Output Shape      ┃    Param # ┃ Connected to      ┃
┡━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━┩
│ input_layer         │ (None, 8)         │          0 │ -                 │
│ (InputLayer)        │                   │            │                   │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ dense (Dense)       │ (None, 30)        │        270 │ input_layer[0][0] │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ concatenate         │ (None, 38)        │          0 │ input_layer[0][0… │
│ (Concatenate)       │                   │            │ dense[0][0]       │
└─────────────────────┴───────────────────┴────────────┴───────────────────┘
 Total params: 270 (1.05 KB)
 Trainable params: 270 (1.05 KB)
 Non-trainable params: 0 (0.00 B)
"""

PLAIN = """\
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ dense (Dense)                   │ (None, 3)              │            15 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ out (Dense)                     │ (None, 1)              │             4 │
└─────────────────────────────────┴────────────────────────┴───────────────┘
"""


def plain():
    return keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(1, name="out")])


def test_a_sequential_model(capsys):
    plain().summary()
    assert PLAIN in capsys.readouterr().out


def test_where_layers_do_not_simply_follow_one_another(capsys):
    inputs = keras.Input((8,))
    keras.Model(inputs, layers.concatenate([inputs, layers.Dense(30)(inputs)])).summary()
    assert capsys.readouterr().out == BRANCHED


def test_a_print_function_and_other_widths():
    lines = []
    model = plain()
    model.layers[0].trainable = False
    model.summary(print_fn=lines.append, line_length=60, show_trainable=True)
    (text,) = lines
    table = [line for line in text.splitlines() if line[0] in "┃│"]
    assert {len(line) for line in table} == {60}
    assert [line.split("│")[-2].strip() for line in table[1:]] == ["N", "Y"]
    assert "┃ Trainable ┃" in table[0]
    assert "Non-trainable params: 15" in text
    model.summary(print_fn=lines.append, line_length=60, positions=[0.5, 0.8, 1.0])
    assert lines[1].splitlines()[1].index("┳") == 28


def test_it_goes_to_logging_where_progress_does(capsys, caplog):
    keras.config.disable_interactive_logging()
    try:
        with caplog.at_level("INFO", "jkeras"):
            plain().summary()
    finally:
        keras.config.enable_interactive_logging()
    assert PLAIN in caplog.records[0].getMessage()
    assert capsys.readouterr().out == ""
