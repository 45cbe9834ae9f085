"""keras-hub: a small BERT and GPT2 compute, train, are saved and read, and generate.

`python keras_hub_models.py FILE` writes weights and outputs to FILE if it is not there, and else
compares with what is in it: run it with Keras first.
"""

import os
import pickle
import sys
import tempfile

import keras
import keras_hub
import numpy as np

SIZES = {
    "vocabulary_size": 30,
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 32,
    "max_sequence_length": 12,
}
ids = np.array([[1, 5, 3, 2, 0, 0], [4, 4, 2, 1, 3, 0]])
mask = (ids > 0).astype("int32")
inputs = {"token_ids": ids, "padding_mask": mask}
bert_inputs = {**inputs, "segment_ids": np.zeros_like(ids)}
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
bert = keras_hub.models.BertBackbone(**SIZES)
gpt2 = keras_hub.models.GPT2Backbone(**SIZES)
for model in (bert, gpt2):
    model.set_weights([0.1 * rng.normal(size=w.shape) for w in model.weights])
outputs = {"gpt2": np.asarray(gpt2(inputs))}
outputs |= {f"bert {name}": np.asarray(x) for name, x in bert(bert_inputs).items()}
outputs |= {"weights": [w.path for w in (*bert.weights, *gpt2.weights)]}

from_logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
classifier = keras_hub.models.BertTextClassifier(bert, num_classes=2, preprocessor=None)
classifier.compile("adam", from_logits, metrics=["accuracy"])
losses = classifier.fit(bert_inputs, np.array([0, 1]), epochs=20, verbose=0).history["loss"]
assert losses[-1] < losses[0], losses
language_model = keras_hub.models.GPT2CausalLM(gpt2, preprocessor=None)
language_model.compile(sampler="greedy")
generated = language_model.generate(inputs, stop_token_ids=None)
outputs["generated"] = np.asarray(generated["token_ids"])
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "m.keras")
    language_model.save(path)
    again = keras.models.load_model(path)
    np.testing.assert_allclose(again(inputs), language_model(inputs), rtol=1e-5)
language_model.compile("adam", from_logits, weighted_metrics=["accuracy"])
losses = language_model.fit(inputs, ids, sample_weight=mask, epochs=20, verbose=0).history["loss"]
assert losses[-1] < losses[0], losses

if len(sys.argv) > 1 and os.path.exists(sys.argv[1]):
    with open(sys.argv[1], "rb") as file:
        expected = pickle.load(file)
    for name, value in expected.items():
        if name == "weights":
            assert value == outputs[name]
        else:
            np.testing.assert_allclose(outputs[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
elif len(sys.argv) > 1:
    with open(sys.argv[1], "wb") as file:
        pickle.dump(outputs, file)
