"""scikeras: a model as a scikit-learn classifier, in a grid search, pickled."""

import pickle

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier, KerasRegressor
from sklearn.model_selection import GridSearchCV


def build(meta, units=4):
    model = keras.Sequential([keras.Input((meta["n_features_in_"],))])
    model.add(keras.layers.Dense(units, activation="relu"))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    return model


rng = np.random.default_rng(0)
x = rng.normal(size=(60, 3)).astype("float32")
y = (x[:, 0] > 0).astype(int)
classifier = KerasClassifier(
    build, loss="binary_crossentropy", optimizer="adam", optimizer__learning_rate=0.05,
    units=4, epochs=20, verbose=0, random_state=1,
)  # fmt: skip
search = GridSearchCV(classifier, {"units": [2, 8]}, cv=2).fit(x, y)
assert search.best_score_ > 0.7, search.best_score_
again = pickle.loads(pickle.dumps(search.best_estimator_))
assert (again.predict(x) == search.predict(x)).all()


def build_regressor(meta):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])


regressor = KerasRegressor(build_regressor, loss="mse", optimizer="adam", epochs=2, verbose=0)
assert regressor.fit(x, x[:, 0]).predict(x).shape == (60,)
