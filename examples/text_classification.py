"""Text classification: which topic a sentence of Python's own documentation is about.

The texts are the docstrings of the standard library that runs this script: nothing is downloaded.
"""

import argparse
import importlib
import inspect
import re

import matplotlib.pyplot as plt
import numpy as np

import jkeras as keras
from jkeras import layers

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--small", action="store_true", help="a few epochs only")
options = parser.parse_args()

TOPICS = {
    "numbers": "math cmath statistics decimal fractions random datetime calendar",
    "network": "http.client http.server urllib.request urllib.parse socket ssl email.message "
    "email.header smtplib imaplib ftplib asyncio socketserver",
    "files": "os os.path pathlib shutil tempfile zipfile tarfile io gzip glob fnmatch",
    "code": "ast inspect dis tokenize typing types functools unittest pdb traceback doctest",
}


def sentences(module):
    """Yields the sentences of the docstrings of a module, its functions, classes and methods."""
    things = [module, *vars(module).values()]
    things += [m for thing in things if inspect.isclass(thing) for m in vars(thing).values()]
    texts = [thing.__doc__ for thing in things if callable(thing) or inspect.ismodule(thing)]
    for text in texts:
        for sentence in re.split(r"\.\s|\n\s*\n", text if isinstance(text, str) else ""):
            words = " ".join(re.findall(r"[A-Za-z]{2,}", sentence))
            if 5 <= len(words.split()) <= 60:
                yield words


found = {}
for label, names in enumerate(TOPICS.values()):
    for name in names.split():
        for sentence in sentences(importlib.import_module(name)):
            found.setdefault(sentence, set()).add(label)
texts = sorted(text for text, labels in found.items() if len(labels) == 1)
rng = np.random.default_rng(42)
texts = np.array(texts)[rng.permutation(len(texts))]
labels = np.array([min(found[text]) for text in texts])
n_test = len(texts) // 5
print(f"{len(texts)} sentences; one of the test: {texts[0]!r}, on {list(TOPICS)[labels[0]]}")

keras.utils.set_random_seed(42)
vectorize = layers.TextVectorization(max_tokens=3000, output_sequence_length=40)
vectorize.adapt(texts[n_test:])  # the words of the test stay unknown
tokens = np.asarray(vectorize(texts))
stacks = {
    "mean of words": [layers.GlobalAveragePooling1D()],
    "convolution": [layers.Conv1D(32, 3, activation="relu"), layers.GlobalMaxPooling1D()],
    "GRU, both ways": [layers.Bidirectional(layers.GRU(16))],
}
print(f"\n{'':16}{'weights':>8}{'training':>10}{'test':>8}")
for name, stack in stacks.items():
    embedding = layers.Embedding(3000, 24, mask_zero=name != "convolution")
    head = [layers.Dropout(0.4), layers.Dense(len(TOPICS), activation="softmax")]
    model = keras.Sequential([keras.Input((40,), dtype="int32"), embedding, *stack, *head])
    model.compile(
        keras.optimizers.Adam(0.004), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    epochs = 1 if options.small else 8
    rows = slice(n_test, None)
    history = model.fit(tokens[rows], labels[rows], batch_size=64, epochs=epochs, verbose=0)
    accuracy = model.evaluate(tokens[:n_test], labels[:n_test], batch_size=256, verbose=0)[1]
    last = history.history["accuracy"][-1]
    print(f"{name:16}{model.count_params():8,}{last:10.1%}{accuracy:8.1%}")

whole = keras.Sequential([vectorize, model])  # takes texts
classes = whole.predict(texts[:n_test], verbose=0).argmax(axis=1)
counts = np.zeros((len(TOPICS), len(TOPICS)), int)
np.add.at(counts, (labels[:n_test], classes), 1)
figure, axes = plt.subplots(figsize=(5.5, 4.5), layout="constrained")
axes.imshow(counts / counts.sum(axis=1, keepdims=True), cmap="Blues")
for (i, j), n in np.ndenumerate(counts):
    axes.text(j, i, n, ha="center", va="center", color="white" if i == j else "black")
axes.set_xticks(range(len(TOPICS)), TOPICS)
axes.set_yticks(range(len(TOPICS)), TOPICS)
axes.set(xlabel="the GRU says", ylabel="topic", title="sentences of the test")
figure.savefig("text_classification.png", dpi=100)
