"""The one HTML file: libraries, our script and style, and the data, which the page unpacks as it needs it.

What comes from data stands in it compressed and in base64, so that no name or value can be read as HTML or script; our
script puts it into the page as text alone. The policy in the head lets nothing be loaded, sent or run that is not here.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from daeda.errors import counted
from daeda.process.printable import harmless
from daeda_report.document import Document

# In the order in which they need each other; each with its licence.
_LIBRARIES = ("d3", "plot", "dagre")
_REPORT = ("dom", "charts", "overview", "days", "pipeline", "columns", "column", "profile", "inputs", "main")
_CATALOG = ("dom", "catalog")
_SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)
_MOST_TOLD = 50


def page(document: Document) -> str:
    """The whole file of a report."""
    told = [one.told for one in document.findings[:_MOST_TOLD]] or ["nothing"]
    more = len(document.findings) - len(told)
    told += [f"and {counted(more, 'more finding')}"] if more > 0 else []
    data = [_packed("head", document.head)]
    data += [_packed(f"column-{number}", detail) for number, detail in enumerate(document.details)]
    without = f"<p>The pictures of this report need JavaScript. What stands out:</p>{_list(told)}"
    return _filled(f"{document.title}: report", document.title, _script(_REPORT, _LIBRARIES), data, without)


def catalog_page(title: str, content: Mapping[str, Any]) -> str:
    """The whole file of a catalog."""
    names = [f"{one['service']}:{one['name']}" for one in content["columns"]]
    without = f"<p>The search of this catalog needs JavaScript. Its columns:</p>{_list(names)}"
    return _filled(f"{title}: catalog", title, _script(_CATALOG, ()), [_packed("head", content)], without)


def _filled(title: str, heading: str, script: str, data: Sequence[str], without_script: str) -> str:
    shown, head = html.escape(harmless(title)), html.escape(harmless(heading))
    blocks = "\n".join(data)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{shown}</title>
<style>{_asset("report.css")}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header><h1><bdi>{head}</bdi></h1><p id="about"></p><nav id="sections" aria-label="Sections"></nav></header>
<main id="main" tabindex="-1"><p id="opening" role="status">Opening …</p></main>
<noscript>{without_script}</noscript>
{blocks}
<script>{script}</script>
</body>
</html>
"""


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:"


@cache
def _script(own: tuple[str, ...], libraries: tuple[str, ...]) -> str:
    """The same for each page of a kind, so that its digest is too."""
    parts = []
    for name in libraries:
        licence = _asset(f"{name}.LICENSE").replace("*/", "* /").replace("/*", "/ *")
        code = _SOURCE_MAP.sub("", _asset(f"{name}.min.js"))
        parts.append(f"/*!\n{licence}*/\n{code}")
    scripts = "\n".join(_asset(f"js/{name}.js") for name in own)
    return "\n".join([*parts, f'"use strict";\n(() => {{\n{scripts}\n}})();\n'])


@cache
def _asset(name: str) -> str:
    return files("daeda_report").joinpath("assets", name).read_text(encoding="utf-8")


def _packed(name: str, content: Mapping[str, Any]) -> str:
    """A block of data that no browser takes for script."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    packed = base64.b64encode(zlib.compress(text.encode("ascii"), 9)).decode()
    return f'<script type="text/plain" id="data-{name}">{packed}</script>'


def _list(told: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(harmless(sentence))}</li>" for sentence in told) + "</ul>"
