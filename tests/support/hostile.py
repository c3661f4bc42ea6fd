"""Watches a page for what a payload would do: run, fetch, open, or become an element."""

from dataclasses import dataclass, field
from urllib.parse import urlparse

from playwright.sync_api import Page, Route

from tests.support.payloads import WORD

OWN = {"localhost", "127.0.0.1", None, ""}

LOOK = """word => {
  const found = [];
  const tell = (what, node) => found.push(`${what}: ${node.outerHTML.slice(0, 160)}`);
  const roots = [document];
  for (const root of roots)
    for (const node of root.querySelectorAll('*')) if (node.shadowRoot) roots.push(node.shadowRoot);
  const all = selector => roots.flatMap(root => [...root.querySelectorAll(selector)]);
  if (window.__pwned !== undefined) found.push('a script ran');
  if ({}[word] !== undefined) found.push('the prototype of all objects was changed');
  const made = `.${word}, #${word}, custom-${word}, iframe, object, embed, base, marquee, plaintext,
    [background], [poster], [srcdoc], [srcset], foreignObject, animate, set, use, math[href],
    meta[http-equiv=refresh], input[type=image], [xlink\\\\:href]`;
  for (const node of all(made)) tell('made', node);
  for (const node of all('*'))
    for (const { name } of node.attributes) if (/^on/i.test(name)) tell('handler', node);
  for (const node of all('script'))
    if (node.textContent.includes(word) || node.src.includes(word)) tell('script', node);
  for (const node of all('style')) if (node.textContent.includes(word)) tell('style', node);
  for (const node of all('[href], [src], [action]')) {
    const url = node.getAttribute('href') ?? node.getAttribute('src') ?? node.action;
    const { protocol, host, pathname } = new URL(url, location.href);
    const odd = /^(javascript|vbscript|mailto|ftp|file):/.test(protocol) || /^data:text/.test(url);
    if (odd || host.includes(word) || pathname.includes(word)) tell('address', node);
  }
  const marked = 'strong, em, del, sup, h1, h2, h3, h4, h5, h6, blockquote, th, li, a, mark, kbd';
  for (const node of all(marked)) if (node.textContent.trim() === word) tell('markup', node);
  for (const node of all('[data-testid=stMarkdownContainer] span[style], .stMarkdownBadge'))
    if (node.textContent.trim() === word) tell('coloured', node);
  for (const node of all('.katex annotation'))
    if ([word, '\\\\def'].some(part => node.textContent.includes(part))) tell('formula', node);
  for (const node of all('[data-testid=stIconMaterial], [role=img]'))
    if (['bug_report', word].includes(node.textContent.trim())) tell('icon', node);
  for (const node of all('*'))
    if ([...node.childNodes].some(text => text.nodeType === 3 && text.data.includes('\\u{1F4A3}')))
      tell('short code', node.parentElement ?? node);
  return found;
}"""


@dataclass
class Watched:
    """What happened on a page that should not have."""

    page: Page
    events: list[str] = field(default_factory=list)

    def findings(self) -> list[str]:
        """All of it, with what stands in the page now."""
        return [*self.events, *self.page.evaluate(LOOK, WORD)]

    def check(self, where: str) -> None:
        """Fail with what is found."""
        found = self.findings()
        assert found == [], f"{where}: {found[:5]}"


def watch_for_harm(page: Page) -> Watched:
    """Watch a page from now on; what it asks of another host is refused and noted."""
    watched = Watched(page)

    def guard(route: Route) -> None:
        address = urlparse(route.request.url)
        if address.hostname in OWN and WORD not in address.path:
            route.continue_()
        else:
            watched.events.append(f"request {route.request.url[:120]}")
            route.abort()

    def dialog(opened: object) -> None:
        watched.events.append(f"dialog {opened}")
        opened.dismiss()  # type: ignore[attr-defined]

    page.route("**/*", guard)
    page.on("dialog", dialog)
    page.on("popup", lambda popup: watched.events.append(f"window {popup.url}"))
    page.on("pageerror", lambda error: watched.events.append(f"error {error}"))
    return watched
