"""Every optimizer once, as data: its class, its options, and variants of them."""

from dataclasses import dataclass, field
from typing import Any

Options = dict[str, Any]


@dataclass(frozen=True)
class OptimizerCase:
    """An optimizer: its class's name in `optimizers`, its options, and what else matters."""

    name: str
    options: Options = field(default_factory=dict)
    variants: tuple[Options, ...] = ()  # options that change what is computed

    def __str__(self) -> str:
        return self.name

    def make(self, optimizers: Any, **more: Any) -> Any:
        """Makes the optimizer of a module: jkeras's, or Keras's."""
        return getattr(optimizers, self.name)(**{**self.options, **more})


# Learning rates at which twenty steps move the weights visibly, but not wildly.
OPTIMIZERS = (
    OptimizerCase(
        "SGD",
        {"learning_rate": 0.05},
        ({"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}),
    ),
    OptimizerCase(
        "Adam", {"learning_rate": 0.02}, ({"amsgrad": True}, {"beta_1": 0.5, "epsilon": 0.1})
    ),
    OptimizerCase(
        "AdamW",
        {"learning_rate": 0.02},
        ({"weight_decay": 0.3}, {"weight_decay": 0.3, "amsgrad": True}),
    ),
    OptimizerCase(
        "RMSprop",
        {"learning_rate": 0.01},
        ({"momentum": 0.9}, {"centered": True}, {"momentum": 0.5, "centered": True, "rho": 0.7}),
    ),
    OptimizerCase("Adagrad", {"learning_rate": 0.05}, ({"initial_accumulator_value": 0.0},)),
    OptimizerCase("Adadelta", {"learning_rate": 1.0}, ({"rho": 0.6, "epsilon": 1e-3},)),
    OptimizerCase("Adamax", {"learning_rate": 0.02}, ({"beta_2": 0.6},)),
    OptimizerCase("Nadam", {"learning_rate": 0.02}, ({"beta_1": 0.5},)),
    OptimizerCase(
        "Ftrl",
        {"learning_rate": 0.1},
        (
            {"l1_regularization_strength": 0.3},
            {"l2_regularization_strength": 0.2, "l2_shrinkage_regularization_strength": 0.1},
            {"learning_rate_power": -0.3, "beta": 0.2, "initial_accumulator_value": 0.5},
            {"learning_rate_power": 0.0},
        ),
    ),
    OptimizerCase("Lion", {"learning_rate": 0.01}, ({"beta_1": 0.5, "beta_2": 0.7},)),
    OptimizerCase("Lamb", {"learning_rate": 0.02}, ({"weight_decay": 0.1, "epsilon": 0.01},)),
    OptimizerCase(
        "Adafactor",
        {"learning_rate": 0.05},
        (
            {"relative_step": False, "clip_threshold": 0.5},
            {"beta_2_decay": -0.5, "epsilon_1": 1e-3, "epsilon_2": 0.1},
        ),
    ),
    OptimizerCase(
        "Muon",
        {"learning_rate": 0.02},
        (
            {"nesterov": False, "rms_rate": None},
            {"adam_lr_ratio": 0.3, "weight_decay": 0.1, "adam_weight_decay": 0.5},
            {"exclude_layers": ["tall"], "ns_steps": 2, "momentum": 0.5},
        ),
    ),
    OptimizerCase(
        "ScheduleFreeAdamW",
        {"learning_rate": 0.02},
        ({"warmup_steps": 5, "weight_decay": 0.1, "beta_1": 0.7},),
    ),
)

# What every optimizer can do, in the combinations that touch each other.
COMMON_OPTIONS: tuple[Options, ...] = (
    {"clipnorm": 0.5},
    {"clipvalue": 0.3},
    {"global_clipnorm": 0.7},
    {"weight_decay": 0.1},
    {"use_ema": True, "ema_momentum": 0.8},
    {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 3},
    {"gradient_accumulation_steps": 3},
    {"loss_scale_factor": 8.0},
    {
        "gradient_accumulation_steps": 2,
        "use_ema": True,
        "ema_overwrite_frequency": 3,
        "weight_decay": 0.1,
        "global_clipnorm": 1.0,
    },
)

# Shapes of weights: a kernel, a bias, a scalar, more axes than two, more rows than columns.
SHAPES = {"kernel": (3, 4), "bias": (3,), "scale": (), "filters": (2, 3, 4), "tall": (5, 2)}
