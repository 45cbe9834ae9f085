"""Models to draw, the same for jkeras and for Keras: `build(keras)` returns them by name."""


def build(keras):
    layers = keras.layers
    models = {}

    models["stack"] = keras.Sequential(
        [keras.Input((4, 3)), layers.Flatten(), layers.Dense(2, activation="relu")], name="stack"
    )

    image, extra = keras.Input((6,), name="image"), keras.Input((5,), name="extra")
    x = layers.Dense(4, activation="tanh", name="first")(image)
    x = layers.Add(name="sum")([x, layers.Dense(4, name="second")(x)])
    x = layers.Concatenate(name="join")([x, extra])
    frozen = layers.Dense(3, activation="softmax", name="frozen")
    outputs = [frozen(x), layers.Dropout(0.5, name="drop")(x)]
    frozen.trainable = False
    models["branches"] = keras.Model([image, extra], outputs, name="branches")

    inputs = keras.Input((4,), name="inputs")
    shared = layers.Dense(4, name="shared")
    models["shared"] = keras.Model(inputs, shared(shared(inputs)) * 2, name="shared_layer")

    head = keras.Sequential(
        [keras.Input((3,)), layers.Dense(3, name="in_head"), layers.Dense(2, name="last")],
        name="head",
    )
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    both = layers.Add(name="both")([a, b])
    encoder = keras.Model([a, b], [layers.Dense(3, name="z")(both), both], name="encoder")
    c, d = keras.Input((4,), name="c"), keras.Input((4,), name="d")
    z, rest = encoder([c, d])
    models["nested"] = keras.Model([c, d], [head(z), rest], name="nested")
    return models
