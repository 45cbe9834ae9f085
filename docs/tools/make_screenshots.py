"""Takes docs/images/tensorboard.png and docs/images/notebook.png in a headless Chromium.

    pip install ".[plot]" tensorboard "setuptools<81" nbconvert ipykernel nbclient playwright
    python docs/tools/make_screenshots.py

TensorBoard shows a training of a small network on the sample of Fashion-MNIST; the notebook is run,
and shown as nbconvert writes it.
"""

import argparse
import re
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


def small(path, width):
    """Makes a picture small: so wide, in 64 colours."""
    image = Image.open(path).convert("RGB")
    image = image.resize((width, round(image.height * width / image.width)), Image.LANCZOS)
    image.quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def notebook(browser, folder):
    """Takes a picture of a notebook's summary and bar."""
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    book = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(book, timeout=600, resources={"metadata": {"path": folder}}).execute()
    for cell in book.cells:
        for output in cell.outputs:  # a notebook shows a line that is drawn again once
            if "text" in output:
                output.text = re.sub(r"[^\n]*\r(?!\n)", "", output.text)
    page = browser.new_page(viewport={"width": 1000, "height": 600})
    path = Path(folder, "notebook.html")
    path.write_text(HTMLExporter(template_name="lab").from_notebook_node(book)[0], "utf-8")
    page.goto(path.as_uri())
    page.screenshot(path=FOLDER / "notebook.png", full_page=True)
    small(FOLDER / "notebook.png", 1000)


def tensorboard(browser, folder):
    """Takes a picture of TensorBoard's page of scalars."""
    subprocess.run([sys.executable, "-c", MODEL + LOGGED], cwd=folder, check=True)
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
        page.goto(address + "#timeseries")
        page.wait_for_selector("scalar-card", timeout=120_000)
        page.wait_for_timeout(15_000)
        page.screenshot(path=FOLDER / "tensorboard.png")
    finally:
        server.terminate()
        server.wait()
    small(FOLDER / "tensorboard.png", 1000)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    parser.add_argument("--only", choices=["notebook", "tensorboard"])
    options = parser.parse_args()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=FLAGS)
        for take in (notebook, tensorboard):
            if options.only in (None, take.__name__):
                take(browser, folder)


if __name__ == "__main__":
    main()
