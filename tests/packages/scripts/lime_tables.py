"""lime: which inputs a classifier of tables looks at."""

import keras
import numpy as np
from lime.lime_tabular import LimeTabularExplainer

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(100, 4)).astype("float32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
weights = np.zeros((4, 2))
weights[2] = [-3, 3]
model.set_weights([weights, np.zeros(2)])
explainer = LimeTabularExplainer(x, random_state=0, discretize_continuous=False)
found = explainer.explain_instance(x[0], lambda x: model.predict(x, verbose=0), num_samples=500)
assert found.as_map()[1][0][0] == 2, found.as_list()
