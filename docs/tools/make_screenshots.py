"""Takes tensorboard.png, hparams.png and notebook.png of docs/images in a headless Chromium.

    pip install ".[plot]" tensorboard "setuptools<81" nbconvert ipykernel nbclient playwright
    python docs/tools/make_screenshots.py

TensorBoard shows trainings of small networks; the notebook is run, and shown as nbconvert writes
it.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from PIL import Image
from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parents[1] / "images"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
MODEL = """\
import jkeras as keras

(x, y), test = keras.datasets.fashion_mnist.load_sample()
model = keras.Sequential([
    keras.Input((28, 28)),
    keras.layers.Rescaling(1 / 255),
    keras.layers.Flatten(),
    keras.layers.Dense(100, activation="relu"),
    keras.layers.Dense(10, activation="softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
"""
CELLS = [MODEL, "model.summary()", "history = model.fit(x, y, epochs=3, validation_data=test)"]
LOGGED = """
for run, rate in [("slow", 1e-4), ("fast", 1e-3)]:
    model.set_weights([w * 0.9 for w in model.get_weights()])
    model.optimizer.learning_rate = rate
    board = keras.callbacks.TensorBoard(f"logs/{run}")
    model.fit(x, y, epochs=8, validation_data=test, verbose=0, callbacks=[board])
"""
SETTINGS = """
import numpy as np
import jkeras as keras

x = np.random.default_rng(0).normal(size=(256, 3))
for rate in (0.001, 0.01, 0.1):
    for units in (2, 8):
        keras.utils.set_random_seed(0)
        layers = [keras.Input((3,)), keras.layers.Dense(units), keras.layers.Dense(1)]
        model = keras.Sequential(layers)
        model.compile(keras.optimizers.Adam(rate), "mse")
        run = f"logs/rate_{rate}_units_{units}"
        settings = {"learning_rate": rate, "units": units}
        row = keras.callbacks.HParams(run, settings)
        model.fit(x, x.sum(axis=1), epochs=2, verbose=0, callbacks=[row])
"""


def small(path, width):
    """Makes a picture small: so wide, in 64 colours."""
    image = Image.open(path).convert("RGB")
    image = image.resize((width, round(image.height * width / image.width)), Image.LANCZOS)
    image.quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def notebook(browser, folder):
    """Takes a picture of a notebook's summary and bar."""
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    book = nbformat.v4.new_notebook(cells=cells)
    place = {"metadata": {"path": folder}}
    # A line that is drawn again and again is shown once, as in a notebook that is open.
    NotebookClient(book, timeout=600, resources=place, coalesce_streams=True).execute()
    page = browser.new_page(viewport={"width": 1060, "height": 600})
    path = Path(folder, "notebook.html")
    path.write_text(HTMLExporter(template_name="lab").from_notebook_node(book)[0], "utf-8")
    page.goto(path.as_uri())
    page.screenshot(path=FOLDER / "notebook.png", full_page=True)
    small(FOLDER / "notebook.png", 1000)


def board(browser, folder, program, tab, ready, picture):
    """Takes a picture of a tab of TensorBoard, with what a program has logged."""
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", "logs", "--port", str(port)]
    server = subprocess.Popen([*command, "--load_fast=false"], cwd=folder)
    address = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(address + "data/runs").read()
                break
            except OSError:
                time.sleep(1)
        page = browser.new_page(viewport={"width": 1200, "height": 760})
        page.goto(f"{address}#{tab}")
        page.wait_for_selector(ready, timeout=120_000)
        page.wait_for_timeout(15_000)
        page.screenshot(path=FOLDER / picture)
    finally:
        server.terminate()
        server.wait()
    small(FOLDER / picture, 1000)


def tensorboard(browser, folder):
    """Takes a picture of TensorBoard's page of scalars."""
    board(browser, folder, MODEL + LOGGED, "timeseries", "scalar-card", "tensorboard.png")


def hparams(browser, folder):
    """Takes a picture of TensorBoard's page of hyperparameters."""
    board(browser, folder, SETTINGS, "hparams", "tf-hparams-main", "hparams.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    parser.add_argument("--only", choices=["notebook", "tensorboard", "hparams"])
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=FLAGS)
        for take in (notebook, tensorboard, hparams):
            if options.only in (None, take.__name__):
                with tempfile.TemporaryDirectory() as folder:
                    take(browser, folder)


if __name__ == "__main__":
    main()
