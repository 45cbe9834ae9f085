"""Sphinx configuration: Markdown pages, API pages from docstrings, every example run."""

import doctest
import importlib.metadata
import os
import sys
import tomllib
from pathlib import Path

sys.path[:0] = [os.path.abspath(".."), os.path.abspath("extensions")]
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Each example runs once: see tests/conftest.py.
if importlib.metadata.version("jaxlib").startswith("0.10."):
    quick = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    os.environ.setdefault("XLA_FLAGS", quick)

project = "jkeras"
copyright = "2026, the jkeras authors"
author = "the jkeras authors"
release = tomllib.loads(Path("../pyproject.toml").read_text())["project"]["version"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.doctest",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "public_names",
    "pictures",
    "languages",
]
templates_path = ["templates"]
exclude_patterns = ["_build"]
default_role = "code"
html_theme = "furo"
html_title = f"jkeras {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_use_index = False  # one page of all names, which nobody reads; the search finds them
html_logo = html_favicon = "static/logo.svg"
html_theme_options = {
    "light_css_variables": {
        "code-font-size": "var(--font-size--small--3)",
        "color-brand-primary": "#4338ca",
        "color-brand-content": "#4338ca",
    },
    "dark_css_variables": {"color-brand-primary": "#a5b4fc", "color-brand-content": "#a5b4fc"},
}

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_inherit_docstrings = False  # a method is documented where it is written first
autosummary_generate = False
maximum_signature_line_length = 80
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

doctest_default_flags = doctest.ELLIPSIS | doctest.DONT_ACCEPT_TRUE_FOR_1  # messages count, too
# Each page, and each class and function of the API pages, starts afresh in an empty folder.
doctest_global_setup = """
import os, tempfile
import numpy as np
import jax, jax.numpy as jnp
import jkeras as keras
keras.utils.clear_session(free_memory=False)
keras.utils.set_random_seed(0)
_home, _folder = os.getcwd(), tempfile.TemporaryDirectory()
os.chdir(_folder.name)
"""
doctest_global_cleanup = """
os.chdir(_home)
_folder.cleanup()
"""
