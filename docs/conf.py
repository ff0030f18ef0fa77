"""Sphinx settings. Pages under catalogue/ and reference/ are written from the records and the source at build time."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent / "src")]

from tumornexus import __version__  # noqa: E402  after the path is set, so that a checkout builds without installation

project = "tumornexus"
author = "The tumornexus developers"
copyright = f"{author}. Research use only"
version = release = __version__

extensions = ["myst_parser", "catalogue", "reference"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True

myst_enable_extensions = ["deflist", "colon_fence", "attrs_inline"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"tumornexus {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f3a5f", "color-brand-content": "#1f5f8b"},
    "dark_css_variables": {"color-brand-primary": "#9cc3e6", "color-brand-content": "#9cc3e6"},
}
html_show_sphinx = False
