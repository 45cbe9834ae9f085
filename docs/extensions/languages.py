"""Joins each page to the one in the other language: `ko/files` to `files`, and back.

Each page shows a link to its counterpart beside the button for dark colours
(`templates/components/edit-this-page.html`), or to the first page of the other language if it has
not any; a counterpart is named to search engines as well. A Korean page says that it is Korean, and
breaks its lines between words.
"""

STYLE = "<style>article { word-break: keep-all; overflow-wrap: break-word; }</style>"


def other_page(page):
    """Returns the name that a page's counterpart would have."""
    return page.removeprefix("ko/") if page.startswith("ko/") else f"ko/{page}"


def link(app, pagename, templatename, context, doctree):
    """Gives a page's template its language, and the way to the other one."""
    other = other_page(pagename)
    if pagename.startswith("ko/"):
        context["language"] = "ko"
        context["metatags"] = context.get("metatags", "") + STYLE
    code, name, first = ("ko", "한국어", "ko/index")
    if pagename.startswith("ko/"):
        code, name, first = ("en", "English", "index")
    there = other in app.env.found_docs
    url = app.builder.get_relative_uri(pagename, other if there else first)
    context["other_language"] = {"code": code, "name": name, "url": url}
    if there:
        tag = f'<link rel="alternate" hreflang="{code}" href="{url}">'
        context["metatags"] = context.get("metatags", "") + tag


def setup(app):
    """Adds to every page that is written."""
    app.connect("html-page-context", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
