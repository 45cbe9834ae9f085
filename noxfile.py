"""The project's checks: `nox -s tests` is the one to run before a change is handed in."""

import os
import sys

import nox

nox.options.sessions = ["tests", "lint", "types", "docs", "examples"]
nox.options.default_venv_backend = "venv"
nox.needs_version = ">=2024.4"

PYPROJECT = nox.project.load_toml("pyproject.toml")
# JAX's choice of device, and its thread pools, are the same on every machine that runs the checks.
ENV = {"JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu")}
if sys.version_info >= (3, 12):
    ENV["COVERAGE_CORE"] = "sysmon"


def group(name):
    """Returns the requirements of a dependency group of pyproject.toml."""
    return nox.project.dependency_groups(PYPROJECT, name)


def install(session, *requirements):
    """Installs requirements without compiling them, which is half of the time that it takes.

    Python compiles what a session imports, a small part of what it installs.
    """
    session.install("--no-compile", *requirements)


def run_tests(session, *options):
    """Runs the tests, or what the rest of the arguments says.

    The few that are compiled as a user's programs are have processes of their own: some of the
    compiler's options hold for a whole process.
    """
    install(session, "-e", ".[plot,pandas]", *group("test"))
    if session.posargs:
        session.run("pytest", *session.posargs, env=ENV)
        return
    pytest = ("pytest", "-n", "auto", "--dist", "worksteal", "-m")
    session.run(*pytest, "not optimized", *options, env=ENV)
    session.run(*pytest, "optimized", env=ENV)


@nox.session
def tests(session):
    """Runs the tests, with coverage on Python 3.12 and later; the arguments go to pytest.

    Measuring is nearly free there, since a line that has run costs nothing more; on Python 3.11 it
    makes the tests a quarter slower.
    """
    measured = ("--cov", "--cov-report=term:skip-covered", "--cov-fail-under=90")
    run_tests(session, *(measured if sys.version_info >= (3, 12) else ()))


@nox.session(python=["3.11", "3.12", "3.13"], tags=["versions"])
def versions(session):
    """Runs the tests on every supported Python that is installed."""
    run_tests(session)


@nox.session
def lint(session):
    """Checks style and format."""
    install(session, *group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session):
    """Checks the types of the package."""
    install(session, "-e", ".", *group("types"))
    session.run("mypy")


@nox.session
def docs(session):
    """Builds the documentation, warnings being errors, follows its links, and runs its examples."""
    install(session, "-e", ".[plot,pandas,sklearn,image]", *group("docs"))
    # Each example runs once: compiling it is most of its time.
    env = {**ENV, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    for builder in ("html", "doctest"):
        options = ["-W", "--keep-going", "-q", "-d", "docs/_build/doctrees", "-b", builder]
        session.run("sphinx-build", *options, "docs", f"docs/_build/{builder}", env=env)
    session.run("python", "docs/tools/check_links.py", "docs/_build/html")


@nox.session
def examples(session):
    """Runs every example, small."""
    install(session, "-e", ".[examples]")
    session.run("python", "examples/run_all.py", env={**ENV, "MPLBACKEND": "agg"})


@nox.session
def distribution(session):
    """Trains on eight simulated devices, and in several processes; takes minutes."""
    install(session, "-e", ".[orbax]", *group("test"))
    arguments = session.posargs or ["-n", "2", "--dist", "loadfile", "tests/distribution"]
    session.run("pytest", "-o", "addopts=", "-q", *arguments, env=ENV)


@nox.session
def interop(session):
    """Compares with real Keras on its JAX backend, live."""
    install(session, "-e", ".[plot,pandas]", *group("test"), *group("interop"))
    arguments = session.posargs or ["-n", "auto", "tests/interop", "--every-name"]
    session.run("pytest", "-o", "addopts=", "-q", *arguments, env={**ENV, "KERAS_BACKEND": "jax"})


@nox.session
def dialects(session):
    """Loads portable `.h5` files with tf_keras and Keras, and trains on."""
    install(session, "-e", ".", *group("interop"), *group("dialects"))
    session.run("python", "-m", "tests.saving.other_kerases", env={**ENV, "KERAS_BACKEND": "jax"})


@nox.session
def export(session):
    """Runs the tests of exported models with onnxruntime, and of safetensors."""
    install(session, "-e", ".[onnx,safetensors,orbax]", *group("test"))
    tests = session.posargs or ["tests/export", "tests/saving/test_safetensors.py"]
    session.run("pytest", "-n", "auto", *tests, env=ENV)


@nox.session
def tools(session):
    """Runs the guide on Weights & Biases, MLflow and Hugging Face's data sets, offline."""
    install(session, "-e", ".", "pytest", *group("tools"))
    session.run("pytest", "-o", "addopts=", "tests/test_other_tools.py", *session.posargs, env=ENV)


@nox.session
def packages(session):
    """Runs packages that use Keras, and their tests, with Keras and with jkeras; takes an hour.

    The packages are installed without what they require, which is Keras and TensorFlow among it.
    """
    install(session, "-e", ".[plot,pandas,sklearn]", *group("packages"))
    alone = ("keras-tuner", "keras-hub", "bayesflow", "scikeras", "optuna-integration")
    alone += ("lime", "shap", "kt-legacy", "kagglehub", "HGQ2", "quantizers")
    install(session, "--no-deps", *alone)
    keras = session.create_tmp()
    install(session, "--no-deps", "--target", keras, "--upgrade", *group("interop")[:1])
    session.run(*("python", "-m", "tests.packages", "--keras", keras, *session.posargs), env=ENV)


@nox.session
def bench(session):
    """Measures speed against other programs in the same run; see tests/benchmarks."""
    install(session, "-e", ".", *group("interop"))
    session.run("python", "-m", "tests.benchmarks", *session.posargs, env=ENV)
