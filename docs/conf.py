"""Sphinx's configuration; scripts/docs builds the site from a copy of this folder with the pages of generate.py."""

import os
import re

from docutils import nodes

project = "ml3"
author = copyright = "the ml3 authors"
version = release = os.environ.get("ML3_VERSION", "")

extensions = ["myst_parser", "breathe"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
breathe_projects = {"ml3": os.environ.get("ML3_DOXYGEN", "../xml")}
breathe_default_project = "ml3"
breathe_domain_by_extension = {"h": "c"}
breathe_show_include = False

html_theme = "furo"
html_title = "ml3"
html_static_path = ["static"]
html_css_files = ["site.css"]
toc_object_entries = False
html_copy_source = html_show_sourcelink = False
highlight_language = "none"
# C's name space is one for Sphinx: a struct and its typedef of the same name are declared twice.
suppress_warnings = ["duplicate_declaration.c", "c.duplicate_declaration", "myst.header"]


def links_into_the_project(app, name, text):
    """`[text](../path)` leads to a file of the project, which is not a page: its name stays."""
    depth = name.count("/") + 1

    def plain(link):
        label, path = link.group(1), link.group(2)
        known = re.match(r"(?:\.\./)*zoo/(\w+)/?(?:README.md)?$", path)
        if known:
            return f"[{label}]({'../' * (depth - 1)}zoo/{known.group(1)}.md)"
        path = re.sub(r"^(\.\./)+", "", path)
        return label if path.strip("/") == label.strip("`/") else f"{label} (`{path}`)"

    up = r"\.\./" * depth
    text[0] = re.sub(r"(?<!!)\[([^\]]+)\]\((" + up + r"[^)#]+)(?:#[^)]*)?\)", plain, text[0])


def short_menus(app, env):
    """Headers, but not their thousands of functions, in the menu that every page carries."""
    for name, contents in env.tocs.items():
        for page in contents.children if name.startswith("api/") else []:
            for header in list(page.findall(nodes.bullet_list)):
                if header.parent is not None and isinstance(header.parent.parent.parent, nodes.list_item):
                    header.parent.remove(header)


def setup(app):
    app.connect("env-updated", short_menus)
    app.connect("source-read", links_into_the_project)
