"""shap: what each input contributes, by the kernel and the permutation method."""

import keras
import numpy as np
import shap

keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
weights = np.array([[1.0], [-2.0], [0.5]])
model.set_weights([weights, np.zeros(1)])
x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")


def predict(x):
    return model.predict(x, verbose=0)[:, 0]


expected = (x[:4] - x.mean(0)) * weights[:, 0]
for explainer in (shap.KernelExplainer(predict, x), shap.PermutationExplainer(predict, x)):
    values = explainer.shap_values(x[:4])
    np.testing.assert_allclose(values, expected, atol=1e-4)
