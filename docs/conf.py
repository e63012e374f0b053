"""Configuration of the documentation. ``make docs`` writes the pages of the API before it builds."""

import aemm

project = "aemm"
author = "The aemm authors"
copyright = "the aemm authors, Apache License 2.0"
version = release = aemm.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_copybutton"]
exclude_patterns = ["_build/html", "_build/jupyter_execute"]
html_theme = "furo"
html_title = f"aemm {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]

nb_execution_mode = "force"  # the tutorial is kept without outputs
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
autodoc_default_options = {"members": True, "show-inheritance": True, "ignore-module-all": True}
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_custom_sections = ["Reference"]
napoleon_use_ivar = True
