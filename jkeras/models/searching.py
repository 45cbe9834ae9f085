"""Cross-validation and searches over settings, by ensembles: one program for each architecture."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jkeras.base.extras import missing
from jkeras.base.types import Structure
from jkeras.callbacks.monitor import direction_of
from jkeras.models import sharing
from jkeras.models.ensemble import Ensemble
from jkeras.models.model import Model


class CrossValidation:
    """What `cross_validate` returns.

    Attributes:
        history: From the names of values to a list for each fold of its values by epoch.
        scores: From the names of values to an array of each fold's last one.
        members: The models: fold i's has not seen the rows of fold i.
        folds: The folds: pairs of row numbers, of training and of validation.
    """

    def __init__(self, ensembles: list[tuple[list[int], Ensemble]], folds: list[Any]):
        self.folds = folds
        found: dict[int, tuple[Ensemble, int]] = {}
        for numbers, ensemble in ensembles:
            found.update({n: (ensemble, place) for place, n in enumerate(numbers)})
        pairs = [found[n] for n in range(len(folds))]
        self.members: list[Model] = [ensemble.member(place) for ensemble, place in pairs]
        self.history = {
            name: [ensemble.history[name][place] for ensemble, place in pairs]
            for name in pairs[0][0].history
        }
        self.scores = {
            name: np.array([values[-1] for values in lists]) for name, lists in self.history.items()
        }

    @property
    def mean(self) -> dict[str, float]:
        """The means of the scores over the folds."""
        return {name: float(values.mean()) for name, values in self.scores.items()}

    @property
    def std(self) -> dict[str, float]:
        """The standard deviations of the scores over the folds."""
        return {name: float(values.std()) for name, values in self.scores.items()}

    def dataframe(self) -> Any:
        """Returns the scores as a pandas data frame: a row for each fold."""
        try:
            import pandas as pd
        except ImportError as error:
            raise missing("`dataframe` needs pandas", "pandas", "pandas") from error
        return pd.DataFrame({"fold": range(len(self.folds)), **self.scores})


def cross_validate(
    make_model: Callable[..., Model],
    x: Structure,
    y: Structure,
    folds: Any = 5,
    seed: int = 0,
    stratified: bool = False,
    **fit_arguments: Any,
) -> CrossValidation:
    """Trains a model for each fold of the data, all as one program, and scores it on the fold.

    Args:
        make_model: A function that returns a compiled model.
        x: The inputs: arrays.
        y: The targets.
        folds: How many; a scikit-learn splitter such as `KFold(5)`; or pairs of row numbers, of
            training and of validation.
        seed: The seed of the shuffling into folds, and of each model.
        stratified: Whether each fold has about as many samples of each class as the others (`y`
            are class numbers, or vectors with a one).
        **fit_arguments: Arguments of `Ensemble.fit`: `epochs`, `batch_size`, `callbacks`, ...

    Returns:
        Scores, histories and models by fold.

    Raises:
        ValueError: If there are less than two folds, or more than rows.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> def make_model():
        ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        ...     model.compile("sgd", "mse")
        ...     return model
        >>> x = np.linspace(0, 1, 60, dtype="float32")[:, None]
        >>> result = keras.models.cross_validate(make_model, x, 2 * x, folds=3, epochs=2, verbose=0)
        >>> result.scores["val_loss"].shape, len(result.members)
        ((3,), 3)
    """
    count = len(jax.tree.leaves(x)[0])
    pairs = _folds(folds, count, y, seed, stratified)
    sizes = [(len(train), len(test)) for train, test in pairs]
    ensembles = []
    # Folds of other sizes have another last batch: they are another program.
    for size in sorted(set(sizes)):
        numbers = [n for n, other in enumerate(sizes) if other == size]
        ensemble = Ensemble(make_model, [seed] * len(numbers))
        ensemble.fit(x, y, rows=[pairs[n] for n in numbers], **fit_arguments)
        ensembles.append((numbers, ensemble))
    return CrossValidation(ensembles, pairs)


def _folds(
    folds: Any, count: int, y: Structure, seed: int, stratified: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    if hasattr(folds, "split"):
        labels = None if y is None else np.asarray(jax.tree.leaves(y)[0])
        found = folds.split(np.zeros((count, 1)), labels)
        return [(np.asarray(train), np.asarray(test)) for train, test in found]
    if not isinstance(folds, (int, np.integer)):
        return [(np.asarray(train), np.asarray(test)) for train, test in folds]
    if not 2 <= folds <= count:
        raise ValueError(f"`folds` must be between 2 and the {count} rows. Received: folds={folds}")
    order = np.random.default_rng(seed).permutation(count)
    if stratified:
        labels = np.asarray(y)
        labels = labels.argmax(-1) if labels.ndim > 1 and labels.shape[-1] > 1 else labels.ravel()
        # Sorted by class, every n-th row goes to the same fold.
        order = order[np.argsort(labels[order], kind="stable")]
        parts = [np.sort(order[k::folds]) for k in range(folds)]
    else:
        parts = [np.sort(part) for part in np.array_split(order, folds)]
    everything = np.arange(count)
    return [(np.setdiff1d(everything, part), part) for part in parts]


class SearchResult:
    """What `search` returns.

    Attributes:
        settings: The settings that were tried, as dicts.
        scores: The value of each that was watched; NaN where training was given up.
        best_settings: The settings whose value was best.
        best_model: The model that was trained with them.
        best_score: Its value.
        history: From the names of values to a list for each of the settings.
    """

    def __init__(self, trials: list[dict[str, Any]], monitor: str, direction: str):
        self.monitor = monitor
        self.settings = [trial["settings"] for trial in trials]
        self.scores = np.array([trial["score"] for trial in trials])
        names = dict.fromkeys(name for trial in trials for name in trial["history"])
        self.history = {name: [t["history"].get(name, []) for t in trials] for name in names}
        worst = np.inf if direction == "min" else -np.inf
        values = np.where(np.isnan(self.scores), worst, self.scores)
        best = int(values.argmin() if direction == "min" else values.argmax())
        self.best_settings, self.best_score = self.settings[best], float(self.scores[best])
        self.best_model: Model = trials[best]["model"]

    def dataframe(self) -> Any:
        """Returns a pandas data frame: a row for each of the settings."""
        try:
            import pandas as pd
        except ImportError as error:
            raise missing("`dataframe` needs pandas", "pandas", "pandas") from error
        epochs = [len(next(iter(lists), ())) for lists in zip(*self.history.values(), strict=True)]
        return pd.DataFrame(self.settings).assign(epochs=epochs, **{self.monitor: self.scores})


def search(
    make_model: Callable[..., Model],
    x: Structure,
    y: Structure,
    settings: Mapping[str, Iterable[Any]],
    *,
    method: str = "grid",
    trials: int = 10,
    seed: int = 0,
    monitor: str = "val_loss",
    mode: str = "auto",
    epochs: int = 10,
    **fit_arguments: Any,
) -> SearchResult:
    """Trains a model with each of many settings; those of one architecture as one program.

    Args:
        make_model: A function that returns a compiled model; it is given the settings that it takes
            by name.
        x: The inputs: arrays.
        y: The targets.
        settings: From names to the values to try: those of `Ensemble`, `"seed"`, and others that
            `make_model` takes, such as numbers of units, which make other architectures.
        method: `"grid"`: all combinations; `"random"`: `trials` of them; `"halving"`: `trials` of
            them, of which the better half is trained anew with twice the epochs, again and again,
            until one is left.
        trials: How many combinations are tried, unless all are.
        seed: The seed of the choice, and of the models whose `"seed"` is not among the settings.
        monitor: The value to compare.
        mode: `"min"`, `"max"`; `"auto"`: known from the metric.
        epochs: The number of epochs; with `"halving"`, of the last ones.
        **fit_arguments: Further arguments of `Ensemble.fit`, such as `validation_split`.

    Returns:
        Settings, scores, and the best model.

    Raises:
        ValueError: If there is nothing to try, or no value to compare.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> def make_model(units=4, learning_rate=0.1):
        ...     layers = [keras.Input((1,)), keras.layers.Dense(units), keras.layers.Dense(1)]
        ...     model = keras.Sequential(layers)
        ...     model.compile(keras.optimizers.SGD(learning_rate), "mse")
        ...     return model
        >>> x = np.linspace(0, 1, 64, dtype="float32")[:, None]
        >>> found = keras.models.search(
        ...     make_model,
        ...     x,
        ...     2 * x,
        ...     {"units": [2, 4], "learning_rate": [0.01, 0.1]},
        ...     epochs=3,
        ...     validation_split=0.25,
        ...     verbose=0,
        ... )
        >>> len(found.settings), found.best_settings["learning_rate"]
        (4, 0.1)
    """
    if method not in ("grid", "random", "halving"):
        raise ValueError(
            f"`method` must be 'grid', 'random' or 'halving'. Received: method={method!r}"
        )
    lists = {name: list(values) for name, values in settings.items()}
    chosen = [dict(zip(lists, each, strict=True)) for each in itertools.product(*lists.values())]
    if not lists or not chosen:
        raise ValueError("There is nothing to try: give `settings` names and values.")
    if method != "grid" and trials < len(chosen):
        picked = np.random.default_rng(seed).permutation(len(chosen))[:trials]
        chosen = [chosen[number] for number in sorted(picked)]
    fit_arguments = {"x": x, "y": y, **fit_arguments}
    results: list[dict[str, Any]] = [
        {"settings": own, "score": np.nan, "history": {}, "model": None} for own in chosen
    ]
    left = list(range(len(chosen)))
    rounds = max(1, int(np.log2(max(len(left), 1)))) if method == "halving" else 0
    direction = "min"
    for number in range(rounds + 1):
        so_many = max(1, epochs // 2 ** (rounds - number))
        _train(make_model, results, left, seed, so_many, monitor, fit_arguments)
        found = direction_of(results[left[0]]["model"], monitor) if mode == "auto" else mode
        if found is None:
            raise ValueError(f"Say whether {monitor!r} is better low or high: mode='min' or 'max'.")
        direction = found
        sign = 1 if direction == "min" else -1
        left.sort(key=lambda n: np.nan_to_num(sign * results[n]["score"], nan=np.inf))
        left = left[: max(1, len(left) // 2)]
    return SearchResult(results, monitor, direction)


def _train(
    make_model: Callable[..., Model],
    results: list[dict[str, Any]],
    numbers: Sequence[int],
    seed: int,
    epochs: int,
    monitor: str,
    fit_arguments: Mapping[str, Any],
) -> None:
    """Trains with some of the settings, in groups of one architecture, and notes the results."""
    for group in _groups(make_model, [results[n]["settings"] for n in numbers]):
        members = [numbers[place] for place in group]
        own = [results[n]["settings"] for n in members]
        seeds = [values.get("seed", seed) for values in own]
        given: dict[str, Any] = {
            name: [values[name] for values in own] for name in own[0] if name != "seed"
        }
        ensemble = Ensemble(make_model, seeds, **given)
        history = ensemble.fit(epochs=epochs, **fit_arguments)
        if monitor not in history:
            raise ValueError(f"There is no value {monitor!r} to compare: {sorted(history)}.")
        for place, number in enumerate(members):
            results[number].update(
                score=history[monitor][place][-1],
                history={name: lists[place] for name, lists in history.items()},
                model=ensemble.member(place),
            )


def group_by_structure(singles: Iterable[Ensemble]) -> list[list[int]] | None:
    """Returns the numbers of ensembles of one in groups whose models differ in numbers only.

    None if it cannot be said.
    """
    groups: dict[Any, list[int]] = {}
    for number, one in enumerate(singles):
        found = sharing.numbered_fingerprint(*one.parts())
        if found is None:
            return None
        tokens, slots = found
        mark = tuple([None if k in slots else token for k, token in enumerate(tokens)])
        groups.setdefault(mark, []).append(number)
    return list(groups.values())


def _groups(make_model: Callable[..., Model], settings: list[dict[str, Any]]) -> list[list[int]]:
    """Returns the settings in groups whose models differ in numbers only."""
    singles = []
    for own in settings:
        given: dict[str, Any] = {name: [value] for name, value in own.items() if name != "seed"}
        singles.append(Ensemble(make_model, [0], **given))
    found = group_by_structure(singles)
    if found is None:
        raise ValueError("It cannot be said which of the models have one structure.")
    return found
