"""Optimizers outside of `fit`: building, applying, variables, files."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
from jkeras import constraints, optimizers
from jkeras.base import keys
from jkeras.core import scope
from jkeras.core.variable import Variable
from tests.catalog.optimizers import OPTIMIZERS
from tests.optimizers.states import state_of


def weights(**values):
    return [Variable(np.asarray(v, "f4"), name=k) for k, v in values.items()]


def ones(variables):
    return [np.ones(v.shape, "f4") for v in variables]


# ------------------------------------------------------------------ applying
def test_apply_gradients_returns_the_number_of_updates():
    variables = weights(kernel=np.ones((2, 2)), bias=np.ones(2))
    optimizer = optimizers.SGD(0.5)
    for n in (1, 2):
        assert int(optimizer.apply_gradients(zip(ones(variables), variables))) == n
    assert int(optimizer.iterations) == 2
    assert variables[1].numpy().tolist() == [0.0, 0.0]


def test_gradients_may_be_lists_numpy_arrays_jax_arrays_or_variables():
    for gradient in ([1.0, 2.0], np.array([1, 2]), jnp.array([1.0, 2.0]), *weights(g=[1.0, 2.0])):
        (weight,) = weights(w=[0.0, 0.0])
        optimizers.SGD(0.5).apply([gradient], [weight])
        assert weight.numpy().tolist() == [-0.5, -1.0]


def test_constraints_are_applied():
    (weight,) = weights(w=[1.0, -1.0])
    weight.constraint = constraints.NonNeg()
    optimizers.SGD(0.5).apply([np.array([1.0, 1.0])], [weight])
    assert weight.numpy().tolist() == [0.5, 0.0]


def test_variables_without_a_gradient_stay_as_they_are():
    a, b = weights(a=[1.0], b=[1.0])
    optimizer = optimizers.Adam(0.5, weight_decay=0.1)
    optimizer.build([a, b])
    with pytest.warns(UserWarning, match=r"Gradients do not exist for variables \['b'\]"):
        optimizer.apply_gradients([(np.ones(1), a), (None, b)])
    optimizer.apply([np.ones(1)], [a])
    optimizer.apply([np.ones(1), None])
    assert a.numpy() < 1.0 and b.numpy() == 1.0
    slots = {v.name: v.numpy().item() for v in optimizer.variables}
    assert slots["b_momentum"] == slots["b_velocity"] == 0.0 < slots["a_velocity"]


def test_nothing_to_do_does_nothing():
    optimizer = optimizers.SGD()
    optimizer.apply([], [])
    assert int(optimizer.iterations) == 0


def test_wrong_calls_are_explained():
    a, b = weights(a=[1.0], b=[1.0])
    optimizer = optimizers.SGD(0.5)
    with pytest.raises(ValueError, match="must already be built"):
        optimizer.apply([np.ones(1)])
    with pytest.raises(ValueError, match="must be built"):
        optimizer.stateless_apply([], [], [])
    optimizer.build([a])
    with pytest.raises(ValueError, match=r"Unknown variable.*path=b.*build"):
        optimizer.apply([np.ones(1)], [b])
    with pytest.raises(ValueError, match="No gradients provided for any variable"):
        optimizer.apply([None], [a])
    with pytest.raises(ValueError, match=r"1:1.*got 2, expected 1"):
        optimizer.apply([np.ones(1), np.ones(1)], [a])
    with pytest.raises(ValueError, match=r"gradient of 'a' has shape \(2,\).*\(1,\)"):
        optimizer.apply([np.ones(2)], [a])
    with pytest.raises(ValueError, match="only be configured before"):
        optimizer.exclude_from_weight_decay(var_names=["a"])
    with pytest.raises(NotImplementedError, match="neither `update_step` nor `rule`"):
        optimizers.Optimizer(0.1).apply([np.ones(1)], [a])


def test_settings_may_be_changed_between_steps():
    (weight,) = weights(w=[0.0])
    optimizer = optimizers.SGD(1.0, momentum=0.5)
    optimizer.apply([np.ones(1)], [weight])
    optimizer.momentum = 0.0
    optimizer.apply([np.ones(1)], [weight])
    assert weight.numpy().item() == -2.0
    optimizer.clipvalue = 0.25
    optimizer.apply([np.ones(1)], [weight])
    assert weight.numpy().item() == -2.25


def test_learning_rates_change_without_compiling_again():
    (weight,) = weights(w=[0.0])
    optimizer = optimizers.SGD(1.0)
    optimizer.apply([np.ones(1)], [weight])
    compiled = optimizer._compiled_step
    for rate in (0.5, np.float32(0.25), jnp.array(0.125)):
        optimizer.learning_rate = rate
        optimizer.apply([np.ones(1)], [weight])
    optimizer.learning_rate.assign(1.0)
    optimizer.apply([np.ones(1)], [weight])
    assert weight.numpy().item() == -2.875
    assert optimizer._compiled_step is compiled and compiled._cache_size() == 1


def test_a_loop_is_fast():
    variables = weights(**{f"w{i}": np.ones(8) for i in range(10)})
    optimizer, grads = optimizers.Adam(), [jnp.ones(8)] * 10
    optimizer.apply(grads, variables)
    start = time.perf_counter()
    for _ in range(20):
        optimizer.apply(grads, variables)
    assert (time.perf_counter() - start) / 20 < 0.1  # uncompiled, it takes much longer


def test_what_the_user_holds_survives_a_donation():
    a, b = weights(a=[1.0], b=[1.0])
    optimizer = optimizers.Adam(0.5)
    optimizer.build([a, b])
    held = [optimizer.learning_rate.value, b.value, *(v.value for v in optimizer.variables)]
    optimizer.apply([np.ones(1)], [a])  # passes the learning rate and b on
    held += [v.value for v in (a, b, *optimizer.variables)]
    state = state_of(optimizer, {a: "a", b: "b"})
    given = [a.hand_over(), b.hand_over(), *jax.tree.leaves(state)]
    for array in given:
        array.delete()
    assert not any(array.is_deleted() for array in held)


def test_slots_are_not_the_weights_themselves():
    (weight,) = weights(w=[1.0])
    optimizer = optimizers.ScheduleFreeAdamW(0.5)  # one of its slots starts from the weight
    optimizer.build([weight])
    state = state_of(optimizer, {weight: "w"})
    weight.hand_over().delete()
    assert state["momentum"]["w"].tolist() == [1.0]


# ------------------------------------------------------------------ variables
EXPECTED = {
    "SGD": [],
    "Adam": ["k_momentum", "k_velocity", "b_momentum", "b_velocity"],
    "RMSprop": ["k_velocity", "b_velocity"],
    "Adagrad": ["k_accumulator", "b_accumulator"],
    "Adadelta": [
        *("k_accumulated_grad", "k_accumulated_delta_var"),
        *("b_accumulated_grad", "b_accumulated_delta_var"),
    ],
    "Adamax": ["k_momentum", "k_norm", "b_momentum", "b_norm"],
    "Nadam": ["k_momentum", "k_velocity", "b_momentum", "b_velocity", "u_product"],
    "Ftrl": ["k_accumulator", "k_linear", "b_accumulator", "b_linear"],
    "Lion": ["k_momentum", "b_momentum"],
    "Adafactor": ["k_r", "k_c", "k_velocity", "b_r", "b_c", "b_velocity"],
    "Muon": ["k_momentum", "b_momentum", "b_velocity"],
}
EXPECTED |= dict.fromkeys(("AdamW", "Lamb", "ScheduleFreeAdamW"), EXPECTED["Adam"])


@pytest.mark.parametrize("case", OPTIMIZERS, ids=str)
def test_variables_are_in_the_order_of_files(case):
    optimizer = case.make(optimizers, name="opt")
    optimizer.build(weights(k=np.ones((2, 3)), b=np.ones(2)))
    names = [v.name for v in optimizer.variables]
    assert names == ["iteration", "learning_rate", *EXPECTED[case.name]]
    assert all(v.path == f"opt/{v.name}" for v in optimizer.variables)


@pytest.mark.parametrize(
    ("name", "options", "slots"),
    [
        ("SGD", {"momentum": 0.9}, ["k_momentum", "b_momentum"]),
        ("Adam", {"amsgrad": True}, [*EXPECTED["Adam"], "k_velocity_hat", "b_velocity_hat"]),
        (
            "RMSprop",
            {"momentum": 0.9, "centered": True},
            [
                *("k_velocity", "b_velocity", "k_momentum", "b_momentum"),
                *("k_average_gradient", "b_average_gradient"),
            ],
        ),
        (
            "Lion",
            {"use_ema": True, "gradient_accumulation_steps": 2},
            [
                *("k_average", "b_average", "k_gradient_accumulator", "b_gradient_accumulator"),
                *("k_momentum", "b_momentum"),
            ],
        ),
    ],
)
def test_options_add_variables(name, options, slots):
    optimizer = getattr(optimizers, name)(**options)
    optimizer.build(weights(k=np.ones((2, 3)), b=np.ones(2)))
    assert [v.name for v in optimizer.variables][2:] == slots


def test_slots_have_the_dtype_of_their_variable():
    half = Variable(np.ones(2), dtype="bfloat16", name="h")
    optimizer = optimizers.Adam(0.5, use_ema=True)
    optimizer.apply([np.ones(2)], [half])
    dtypes = {v.name: v.dtype for v in optimizer.variables}
    assert dtypes.pop("iteration") == "int32" and dtypes.pop("learning_rate") == "float32"
    assert set(dtypes.values()) == {"bfloat16"}
    assert half.value.dtype == "bfloat16"
    np.testing.assert_allclose(half.numpy().astype("f4"), [0.5, 0.5], rtol=0.01)


def test_building_draws_no_random_numbers():
    before = keys.draw_seed()
    optimizers.Adam(use_ema=True).build(weights(w=[1.0]))
    assert keys.draw_seed() == (before[0], before[1] + 1)


def test_building_again_keeps_slots():
    a, b, c = weights(a=[0.0], b=[0.0], c=[0.0])
    optimizer = optimizers.SGD(1.0, momentum=0.5)
    optimizer.apply([np.ones(1)] * 2, [a, b])
    optimizer.build([a, c])  # b is frozen, c is new
    assert [v.name for v in optimizer.variables][2:] == ["a_momentum", "c_momentum"]
    optimizer.apply([np.ones(1)] * 2, [a, c])
    optimizer.build([a, b, c])
    optimizer.apply([np.ones(1)] * 3, [a, b, c])
    momenta = [v.numpy().item() for v in optimizer.variables[2:]]
    assert momenta == [-1.75, -1.5, -1.5]
    assert int(optimizer.iterations) == 3


def test_averages_of_variables_that_come_later_start_from_them():
    a, b = weights(a=[1.0], b=[5.0])
    optimizer = optimizers.SGD(0.0, use_ema=True)
    optimizer.apply([np.ones(1)], [a])
    optimizer.build([a, b])
    optimizer.apply([np.ones(1)] * 2, [a, b])
    optimizer.finalize_variable_values([a, b])
    assert (a.numpy().item(), b.numpy().item()) == (1.0, 5.0)


def test_averages_start_from_the_first_updated_weights():
    (weight,) = weights(w=[8.0])
    optimizer = optimizers.SGD(1.0, use_ema=True, ema_momentum=0.75)
    found = []
    for _ in range(3):  # the weight becomes 6, 4, 2
        optimizer.apply([np.full(1, 2.0)], [weight])
        found.append(optimizer.averages()[weight].numpy().item())
    assert found == [6.0, 5.5, 4.625]


def test_added_variables_may_share_a_name():
    a, b = weights(a=[[0.0]], b=[0.0])
    optimizer = optimizers.SGD()
    optimizer.build([a, b])
    made = [optimizer.add_variable((2,)), optimizer.add_variable((2,), "ones", name="gain")]
    made += [optimizer.add_variable_from_reference(a, "m") for _ in range(2)]
    made += [optimizer.add_variable_from_reference(a, initializer=np.full((1, 1), 7.0))]
    rows = optimizer.add_optimizer_variables([a, b], ["p", "q"], ["ones", "zeros"])
    names = ["variable", "gain", "a_m", "a_m_1", "a_var", "a_p", "a_q", "b_p", "b_q"]
    assert [v.name for v in optimizer.variables[2:]] == names
    assert [[v.name for v in row] for row in rows] == [["a_p", "b_p"], ["a_q", "b_q"]]
    assert [v.numpy().sum().item() for v in (*made, *rows[0])] == [0, 2, 0, 0, 7, 1, 1]


# ------------------------------------------------------------------ pure functions, files
@pytest.mark.parametrize("make", [optimizers.SGD, optimizers.Adafactor, optimizers.Nadam])
def test_stateless_apply_does_what_apply_does(make):
    variables = weights(k=np.ones((2, 3)), b=np.ones(2))
    variables[1].constraint = constraints.NonNeg()
    optimizer = make(use_ema=True)
    optimizer.build(variables)
    before = [v.value for v in optimizer.variables], [v.value for v in variables]
    new, state = jax.jit(optimizer.stateless_apply)(before[0], ones(variables), before[1])
    optimizer.apply(ones(variables))
    for found, expected in zip([*new, *state], [*variables, *optimizer.variables], strict=True):
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-6)


def test_stateless_apply_checks_lengths():
    (weight,) = weights(w=[1.0])
    optimizer = optimizers.SGD()
    optimizer.build([weight])
    with pytest.raises(ValueError, match="`optimizer_variables` must correspond 1:1"):
        optimizer.stateless_apply([], [np.ones(1)], [weight.value])
    with pytest.raises(ValueError, match="`trainable_variables` must correspond 1:1"):
        optimizer.stateless_apply([0, 0.1], [np.ones(1)], [])


def test_apply_inside_of_a_pure_scope_writes_into_it():
    (weight,) = weights(w=[1.0])
    optimizer = optimizers.SGD(0.5)
    optimizer.build([weight])

    @jax.jit
    def step(values):
        here = scope.Pure(dict(zip([weight, *optimizer.variables], values)))
        with scope.enter(here):
            optimizer.apply([jnp.ones(1)])
            return weight.value, optimizer.iterations.value

    new, iteration = step([v.value for v in (weight, *optimizer.variables)])
    assert (new.item(), int(iteration)) == (0.5, 1)
    assert (weight.numpy().item(), int(optimizer.iterations)) == (1.0, 0)


def test_own_variables_go_into_a_store_and_back():
    first, second = weights(a=[0.0]), weights(b=[0.0])
    optimizer, other = optimizers.Adam(0.5), optimizers.Adam(0.1)
    optimizer.apply(ones(first), first)
    other.build(second)
    store = {}
    optimizer.save_own_variables(store)
    assert list(store) == ["0", "1", "2", "3"] and isinstance(store["3"], np.ndarray)
    other.load_own_variables(store)
    for mine, theirs in zip(optimizer.variables, other.variables, strict=True):
        assert mine.numpy().tolist() == theirs.numpy().tolist()
    with pytest.warns(UserWarning, match="Skipping variable loading.*4 variables.*1 variables"):
        other.load_own_variables({"0": np.array(7)})
    assert int(other.iterations) == 1


def test_weights_that_do_not_fit_change_nothing():
    variables = weights(a=[0.0])
    optimizer = optimizers.SGD(0.5, momentum=0.5)
    optimizer.build(variables)
    with pytest.raises(ValueError, match=r"'sgd/a_momentum' has shape \(1,\) not compatible"):
        optimizer.set_weights([np.array(7), np.array(0.1), np.ones(2)])
    assert int(optimizer.iterations) == 0
    optimizer.set_weights([np.array(7), np.array(0.25), np.ones(1)])
    assert [v.numpy().item() for v in optimizer.variables] == [7, 0.25, 1.0]


def test_weights_are_a_list():
    variables = weights(a=[1.0, 2.0])
    first, second = optimizers.Adam(0.5), optimizers.Adam(0.25)
    with pytest.raises(ValueError, match="not yet been built"):
        second.set_weights(first.get_weights())
    first.apply(ones(variables), variables)
    second.build(variables)
    for wrong in ([], first.get_weights()[:2], [*first.get_weights(), 0]):
        with pytest.raises(ValueError, match=f"has {len(wrong)} arrays.*has 4 variables"):
            second.set_weights(wrong)
    second.set_weights(first.variables)
    for mine, theirs in zip(first.get_weights(), second.get_weights(), strict=True):
        assert isinstance(mine, np.ndarray) and mine.tolist() == theirs.tolist()
    iterations, _, *slots = first.get_weights()  # Keras 2's lists have no learning rate
    second.learning_rate = 0.125
    second.set_weights([iterations + 1, *slots])
    assert (int(second.iterations), float(second.learning_rate)) == (2, 0.125)


def test_variables_are_arranged_as_states_are():
    a, b = weights(a=[1.0], b=[1.0])
    optimizer = optimizers.SGD(0.5, momentum=0.5)
    optimizer.build([a, b])
    cells = optimizer.cells({a: "x/a", b: "x/b"})
    assert sorted(cells) == ["iteration", "learning_rate", "momentum"]
    assert cells["momentum"] == {"x/a": optimizer.variables[2], "x/b": optimizer.variables[3]}
    assert list(optimizer.cells({b: 0})["momentum"]) == [0]


def test_assigning_helpers():
    (weight,) = weights(w=[1.0])
    optimizer = optimizers.SGD()
    optimizer.assign(weight, [4.0])
    optimizer.assign_add(weight, [2.0])
    optimizer.assign_sub(weight, [1.0])
    assert weight.numpy().item() == 5.0
    assert optimizer.scale_loss(3.0) == 3.0 and optimizer.loss_scale({}) is None
    optimizer.finalize_variable_values([weight])
    assert weight.numpy().item() == 5.0


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adam", "adamw", "adagrad", "lion", "nadam"])
def test_a_model_without_trained_weights_can_be_fitted(name):
    model = keras.Sequential([keras.layers.Flatten()])
    model.compile(name, "mse")
    history = model.fit(np.zeros((4, 3)), np.ones((4, 3)), verbose=0)
    assert history.history["loss"] == [1.0] and int(model.optimizer.iterations) == 1
