"""Keras's own names for steps; quantization and low-rank updates in models; remat."""

import jax
import numpy as np
import pytest

import jkeras as keras

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
Y = X[:, :2] * 2 - 1


def make(**kwargs):
    dense = keras.layers.Dense(2, name="head", **kwargs)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(6, "tanh"), dense])


def test_a_predict_step_of_a_subclass():
    class Doubled(keras.Sequential):
        def predict_step(self, state, data):
            outputs, non_trainable = super().predict_step(state, data)
            return 2 * outputs, non_trainable

    model = Doubled(make().layers)
    np.testing.assert_allclose(model.predict(X, verbose=0), 2 * model(X), rtol=1e-6)


def test_functions_of_single_steps():
    model = make()
    model.compile("sgd", "mse")
    batches = iter([(X, Y)] * 3)
    logs = model.make_train_function()(batches)
    assert model.make_test_function()(batches)["loss"] < logs["loss"]
    np.testing.assert_allclose(model.make_predict_function()(batches), model(X), rtol=1e-6)


def test_a_callback_may_read_weights_after_each_batch_as_in_keras():
    class Reads(keras.callbacks.Callback):
        seen = ()

        def on_train_batch_end(self, batch, logs=None):
            self.model.jax_state_sync()
            self.seen = (*self.seen, self.model.get_layer("head").kernel.numpy())

    model, reads = make(), Reads()
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=4, epochs=1, verbose=0, callbacks=[reads])
    first, last = reads.seen
    assert (first != last).any()
    np.testing.assert_array_equal(last, model.get_layer("head").kernel.numpy())
    assert model.distribute_strategy is None


@pytest.mark.parametrize("rank", [None, 2])
def test_low_rank_updates_train_and_the_weight_does_not(rank, tmp_path):
    model = make(lora_rank=rank)
    head = model.get_layer("head")
    if rank is None:
        head.enable_lora(2)
    before = [w.numpy() for w in (head._kernel, head.lora_kernel_b)]
    model.compile("sgd", "mse")
    losses = model.fit(X, Y, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    np.testing.assert_array_equal(head._kernel.numpy(), before[0])
    assert (head.lora_kernel_b.numpy() != before[1]).any()
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    assert loaded.get_layer("head").lora_rank == 2
    np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-6)
    plain = make()  # files hold the sum
    model.save_weights(tmp_path / "w.weights.h5")
    plain.load_weights(tmp_path / "w.weights.h5")
    np.testing.assert_allclose(plain(X), model(X), atol=1e-6)


def test_what_low_rank_updates_refuse():
    layer = keras.layers.Dense(3)
    with pytest.raises(ValueError, match="isn't yet built"):
        layer.enable_lora(2)
    layer.build((None, 4))
    layer.enable_lora(2)
    with pytest.raises(ValueError, match="lora is already enabled"):
        layer.enable_lora(2)
    layer = keras.layers.Dense(3, kernel_constraint="non_neg")
    layer.build((None, 4))
    with pytest.raises(ValueError, match="incompatible with kernel constraints"):
        layer.enable_lora(2)
    with pytest.raises(ValueError, match="positive"):
        keras.layers.Dense(3, lora_rank=-1)


def test_a_quantized_model_predicts_trains_and_is_saved(tmp_path):
    model = make()
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    floats = model.predict(X, verbose=0)
    model.quantize("int8")
    integers = model.predict(X, verbose=0)
    assert 0 < np.abs(integers - floats).max() < 0.05
    np.testing.assert_allclose(integers, model(X), atol=1e-6)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded.predict(X, verbose=0), integers, atol=1e-6)
    head = model.get_layer("head")
    head.enable_lora(2)
    model.compile("sgd", "mse")
    losses = model.fit(X, Y, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert head.kernel.dtype == "int8"


def test_gradients_pass_through_integers_as_through_floats():
    layer = keras.layers.Dense(3, use_bias=False)
    layer.build((None, 4))
    floats = jax.grad(lambda x: layer(x).sum())(X)
    layer.quantize("int8")
    np.testing.assert_allclose(jax.grad(lambda x: layer(x).sum())(X), floats, atol=0.02)


def test_what_quantize_refuses():
    layer = keras.layers.Dense(3)
    with pytest.raises(ValueError, match="isn't yet built"):
        layer.quantize("int8")
    layer.build((None, 4))
    with pytest.raises(ValueError, match="Invalid quantization mode"):
        layer.quantize("int7")
    layer.quantize("int8")
    with pytest.raises(ValueError, match="already quantized"):
        layer.quantize("int8")
    with pytest.raises(NotImplementedError, match="Dropout does not have a `quantize`"):
        keras.layers.Dropout(0.1).quantize("int8")

    class Mine(keras.layers.Dense):
        pass

    mine = Mine(3)
    mine.build((None, 4))
    with pytest.raises(NotImplementedError, match="Mine"):
        mine.quantize("int8")
    mine.quantize("int8", type_check=False)
    assert mine.quantization_mode == "int8"


def test_filters_and_inner_layers_of_quantize(tmp_path):
    model = make()
    model.quantize("int8", filters="head")
    assert [layer.quantization_mode for layer in model.layers] == [None, "int8"]
    inputs = keras.Input((5, 4))
    model = keras.Model(inputs, keras.layers.MultiHeadAttention(2, 3, name="mha")(inputs, inputs))
    model.quantize("int8")
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert loaded.get_layer("mha").query_dense.quantization_mode == "int8"
    np.testing.assert_allclose(loaded(x), model(x), atol=1e-6)


@pytest.mark.parametrize("mode", ["full", "activations", "larger_than", "list_of_layers"])
def test_remat_changes_no_gradient_and_computes_again(mode):
    def gradients(scope):
        with scope:
            model = keras.Sequential(
                [
                    keras.Input((4,)),
                    keras.layers.Dense(6, "tanh", name="a", kernel_initializer="ones"),
                    keras.layers.Dropout(0.1),
                    keras.layers.BatchNormalization(),
                    keras.layers.Dense(2, name="b", kernel_initializer="ones"),
                ]
            )
        variables = model.variables

        def loss(params):
            outputs, _ = model.apply(
                keras.pure.Variables(params, variables.state), X, training=False
            )
            return (outputs**2).sum()

        return jax.grad(loss)(variables.params), str(
            jax.make_jaxpr(jax.grad(loss))(variables.params)
        )

    scope = keras.RematScope(mode, output_size_threshold=20, layer_names=["a"])
    found, program = gradients(scope)
    expected, plain = gradients(keras.RematScope(None))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    word = "checkpoint" if "checkpoint" in program else "remat"
    assert word in program
    assert word not in plain
