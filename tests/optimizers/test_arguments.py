"""Arguments: signatures, checks, old spellings, names, configs."""

import inspect
import json

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jkeras import optimizers
from jkeras.base import registry
from jkeras.core.variable import Variable
from jkeras.optimizers import schedules
from tests.catalog.optimizers import OPTIMIZERS

COMMON = [
    *("weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema", "ema_momentum"),
    *("ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps", "name"),
]


def test_common_arguments_come_after_an_optimizers_own():
    def names(name):
        return list(inspect.signature(getattr(optimizers, name)).parameters)

    assert names("SGD") == ["learning_rate", "momentum", "nesterov", *COMMON, "kwargs"]
    own = ["learning_rate", "weight_decay", "beta_1", "beta_2", "epsilon", "amsgrad"]
    assert names("AdamW") == [*own, *COMMON[1:], "kwargs"]
    assert names("Muon")[4:7] == ["epsilon", "weight_decay", "clipnorm"]
    assert names("Muon")[-5:] == ["momentum", "ns_steps", "nesterov", "rms_rate", "kwargs"]
    sgd = optimizers.SGD(0.1, 0.9, True, 0.01, None, 0.5)
    assert (sgd.momentum, sgd.nesterov, sgd.weight_decay, sgd.clipvalue) == (0.9, True, 0.01, 0.5)
    with pytest.raises(TypeError, match="multiple values"):
        optimizers.SGD(0.1, learning_rate=0.2)


@pytest.mark.parametrize(
    "rate", [float("nan"), float("inf"), -0.1, "fast", None, [0.1], True, np.ones(2), 1j], ids=str
)
def test_senseless_learning_rates_are_refused(rate):
    with pytest.raises(ValueError, match=r"learning[_ ]rate"):
        optimizers.Adam(rate)
    optimizer = optimizers.Adam(0.5)
    with pytest.raises(ValueError, match=r"learning[_ ]rate"):
        optimizer.learning_rate = rate
    assert float(optimizer.learning_rate) == 0.5


@pytest.mark.parametrize(
    "rate", [1, 0.0, np.float32(0.5), np.array(0.5), jnp.array(0.5), Variable(0.5, name="v")]
)
def test_numbers_of_all_kinds_are_learning_rates(rate):
    assert float(optimizers.Adam(rate).learning_rate) == float(rate)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("SGD", {"momentum": 1.5}, "`momentum` must be a float between"),
        ("SGD", {"momentum": "a"}, "`momentum` must be a float between"),
        ("Lion", {"beta_1": 0}, "beta_1"),
        ("AdamW", {"weight_decay": None}, "`weight_decay` must be a float"),
        ("Ftrl", {"learning_rate_power": 1.0}, "negative or zero"),
        ("Ftrl", {"l1_regularization_strength": -1.0}, "positive or zero"),
        ("Adam", {"clipnorm": 1.0, "clipvalue": 1.0}, "Only one of `clipnorm`"),
        ("Adam", {"clipnorm": -1.0}, "`clipnorm` must be positive"),
        ("Adam", {"loss_scale_factor": 0.0}, "`loss_scale_factor` must be positive"),
        ("Adam", {"use_ema": True, "ema_momentum": 2}, "in the range"),
        ("Adam", {"ema_overwrite_frequency": 0}, "integer >= 1"),
        ("Adam", {"gradient_accumulation_steps": 1}, "integer >= 2"),
        ("Adam", {"gradient_accumulation_steps": 2.5}, "integer >= 2"),
        ("Adam", {"bata_1": 0.5}, "not recognized.*did you mean 'beta_1'"),
        ("SGD", {"momentumm": 0.5}, "did you mean 'momentum'"),
        ("LossScaleOptimizer", {"inner_optimizer": "adam"}, "`inner_optimizer` is not"),
        ("Adam", {"beta_1": 2}, r"`beta_1` must be a float between \[0, 1\].*beta_1=2"),
        ("Adam", {"beta_2": None}, "`beta_2` must be a float"),
        ("Adam", {"epsilon": -1.0}, "`epsilon` needs to be positive or zero"),
        ("Adam", {"epsilon": [1.0]}, "`epsilon` needs to be positive or zero"),
        ("Adam", {"weight_decay": "0.1"}, "`weight_decay` must be a finite number"),
        ("Adam", {"clipnorm": np.nan}, "`clipnorm` must be positive"),
        ("Adam", {"clipnorm": True}, "`clipnorm` must be positive"),
        ("RMSprop", {"rho": -0.1}, "`rho` must be a float between"),
        ("RMSprop", {"momentum": np.array([0.5])}, "`momentum` must be a float between"),
        ("Muon", {"ns_steps": 0}, "`ns_steps` must be an integer >= 1"),
        ("Adafactor", {"clip_threshold": 0}, "`clip_threshold` must be positive"),
    ],
    ids=str,
)
def test_senseless_arguments_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(optimizers, name)(**options)


def test_lr_is_accepted_with_a_warning_at_the_users_line():
    with pytest.warns(DeprecationWarning, match="learning_rate") as caught:
        optimizer = optimizers.SGD(lr=0.5)
    assert caught[0].filename == __file__
    assert float(optimizer.learning_rate) == 0.5
    assert optimizer.get_config()["learning_rate"] == 0.5
    with pytest.warns(DeprecationWarning):
        optimizer.lr = 0.25
    with pytest.warns(DeprecationWarning):
        assert float(optimizer.lr) == 0.25


def test_decay_is_ignored_with_a_warning():
    with pytest.warns(UserWarning, match="InverseTimeDecay"):
        optimizer = optimizers.SGD(0.5, decay=0.1)
    assert "decay" not in optimizer.get_config()


def test_names_count_up_in_snake_case():
    made = [
        optimizers.RMSprop(),
        optimizers.RMSprop(),
        optimizers.AdamW(),
        optimizers.SGD(name="x"),
    ]
    assert [o.name for o in made] == ["rm_sprop", "rm_sprop_1", "adam_w", "x"]


def test_arguments_may_be_given_by_position_and_by_name_but_not_both():
    class Mine(optimizers.Optimizer):
        def __init__(self):
            super().__init__(0.1, learning_rate=0.2)

    with pytest.raises(TypeError, match="multiple values"):
        Mine()
    with pytest.raises(TypeError, match="too many"):
        optimizers.SGD(*range(30))


# ------------------------------------------------------------------ configs
KINDS = [np.float32, np.float64, np.array, jnp.array]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", OPTIMIZERS, ids=str)
def test_numbers_of_numpy_and_jax_are_numbers(case, kind):
    plain = case.make(optimizers, name="x", clipnorm=2.0, weight_decay=0.25)
    numbers = {k: v for k, v in plain.get_config().items() if type(v) is float}
    optimizer = type(plain)(**{k: kind(v) for k, v in numbers.items()}, name="x")
    config = optimizer.get_config()
    assert json.loads(json.dumps(config)) == config
    assert {type(config[k]) for k in numbers} == {float}
    for k, v in numbers.items():
        assert config[k] == pytest.approx(v, rel=1e-6)
    weight = Variable(np.ones((2, 2), "f4"), name="w")
    optimizer.apply([np.ones((2, 2))], [weight])
    assert np.isfinite(weight.numpy()).all()


@pytest.mark.parametrize("kind", [np.int32, np.array, jnp.array])
def test_integers_of_numpy_and_jax_are_integers(kind):
    steps = {"gradient_accumulation_steps": 2, "ema_overwrite_frequency": 3}
    optimizer = optimizers.SGD(**{k: kind(v) for k, v in steps.items()})
    config = optimizer.get_config()
    assert {k: config[k] for k in steps} == steps and type(config["ema_overwrite_frequency"]) is int


def test_a_users_argument_of_an_old_name_is_his():
    class Mine(optimizers.SGD):
        def __init__(self, lr=0.1, decay=0.5, **kwargs):
            super().__init__(lr, **kwargs)
            self.decay = decay

        def get_config(self):
            own = {"lr": float(self.learning_rate), "decay": self.decay}
            return {**super().get_config(), **own}

    optimizer = Mine(lr=0.25, decay=0.75)
    assert (optimizer.get_config()["lr"], optimizer.get_config()["decay"]) == (0.25, 0.75)


@pytest.mark.parametrize("case", OPTIMIZERS, ids=str)
def test_a_config_makes_an_equal_optimizer(case):
    for options in ({}, *case.variants, {"clipnorm": 0.5, "use_ema": True, "name": "mine"}):
        optimizer = case.make(optimizers, **options)
        config = optimizer.get_config()
        again = type(optimizer).from_config(config)
        assert again.get_config() == config
        envelope = optimizers.serialize(optimizer)
        assert (envelope["module"], envelope["class_name"]) == ("keras.optimizers", case.name)
        assert optimizers.deserialize(envelope).get_config() == config
        assert set(COMMON) <= set(config)


def test_a_config_holds_the_current_learning_rate():
    optimizer = optimizers.Adam(0.5)
    optimizer.learning_rate = 0.25
    assert optimizer.get_config()["learning_rate"] == 0.25


@pytest.mark.parametrize("with_module", [True, False])
def test_a_config_holds_a_schedule(with_module):
    schedule = schedules.ExponentialDecay(0.5, 10, 0.5)
    config = optimizers.Adam(schedule).get_config()
    assert config["learning_rate"]["module"] == "keras.optimizers.schedules"
    if not with_module:
        config["learning_rate"] = {k: config["learning_rate"][k] for k in ("class_name", "config")}
    again = optimizers.Adam.from_config(config)
    assert again.get_config()["learning_rate"]["config"] == schedule.get_config()


def test_a_users_class_gets_a_config_too():
    @registry.register_keras_serializable("test_arguments")
    class Mine(optimizers.Optimizer):
        def __init__(self, learning_rate=0.1, power=2, **kwargs):
            super().__init__(learning_rate, **kwargs)
            self.power = power

        def get_config(self):
            return {**super().get_config(), "power": self.power}

    optimizer = Mine(0.5, power=3, clipnorm=1.0, name="mine")
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert type(again) is Mine
    assert (float(again.learning_rate), again.power, again.clipnorm, again.name) == (
        *(0.5, 3, 1.0),
        "mine",
    )


# ------------------------------------------------------------------ get
@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        *[(spelling(case.name), case.name) for case in OPTIMIZERS for spelling in (str.lower, str)],
        *[("SGD", "SGD"), ("ADAM", "Adam"), ("rm_sprop", "RMSprop"), ("RmsProp", "RMSprop")],
        (optimizers.Adam, "Adam"),
        (optimizers.Adam(), "Adam"),
        ({"class_name": "Adam", "config": {"learning_rate": 0.5}}, "Adam"),
        ({"class_name": "adam", "config": {}}, "Adam"),
        (optax.sgd(0.1), "OptaxOptimizer"),
        (optax.with_extra_args_support(optax.sgd(0.1)), "OptaxOptimizer"),
        (optax.MultiSteps(optax.sgd(0.1), 2), "OptaxOptimizer"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_get(identifier, name):
    assert type(optimizers.get(identifier)).__name__ == name


def test_get_none_and_nonsense():
    assert optimizers.get(None) is None
    optimizer = optimizers.SGD()
    assert optimizers.get(optimizer) is optimizer
    with pytest.raises(ValueError, match=r"Unknown optimizer 'adan': did you mean 'Adam'"):
        optimizers.get("adan")
    for nonsense in (3, lambda: 3, [optimizer]):
        with pytest.raises(ValueError, match="Could not interpret optimizer identifier"):
            optimizers.get(nonsense)
    with pytest.raises(ValueError, match=r"Call a function of optax, as in optax.adam\(0.001\)"):
        optimizers.get(optax.adam)
