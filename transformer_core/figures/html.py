"""One self-contained HTML file from a payload: script, styles and numbers inside, no request."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from transformer_core.figures.bundle import library
from transformer_core.figures.payload import Payload

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline';
 style-src 'unsafe-inline'; img-src blob: data:">
<title>{title}</title>
<meta name="description" content="{caption}">
<style>
:root {{ color-scheme: light dark; --st-background-color: {light}; }}
@media (prefers-color-scheme: dark) {{ :root {{ --st-background-color: {dark}; }} }}
body {{ margin: 0; padding: 16px; background: var(--st-background-color); }}
main {{ max-width: 1240px; margin: 0 auto; }}
</style>
</head>
<body>
<main id="picture"></main>
<noscript><p>{caption}</p></noscript>
<script type="module">
{library}
const calls = (globalThis.attentionCalls = []);
await mount(document.getElementById("picture"), "{message}", {{
  isStatic: true,
  setState: (name, value) => calls.push([name, value]),
  trigger: (name, value) => calls.push([name, value]),
}});
</script>
</body>
</html>
"""


def to_html(payload: Payload) -> str:
    """Return a page that shows the picture, works offline and holds everything it needs."""
    header: Mapping[str, Any] = payload.header
    return _PAGE.format(
        title=_text(f"{header['title']} {header['model']}".strip()),
        caption=_text(payload.caption),
        light=header["theme"]["light"]["background"],
        dark=header["theme"]["dark"]["background"],
        library=library().replace("</", "<\\/"),
        message=payload.to_base64(),
    )


def to_fragment(payload: Payload, *, height: int = 760) -> str:
    """Return the picture as a frame for a notebook; the frame keeps script and page apart."""
    page = escape(to_html(payload), quote=True)
    label = _text(payload.caption)
    return (
        f'<iframe title="{label}" srcdoc="{page}" sandbox="allow-scripts allow-downloads" '
        f'style="width:100%;height:{height}px;border:0"></iframe>'
    )


def _text(text: str) -> str:
    """Escape a text for HTML; what no encoding can hold becomes �."""
    return escape(text.encode("utf-8", "replace").decode("utf-8"), quote=True)
