"""What is done to the pages that Quarto has rendered: lighter, described, and searchable.

Quarto's own search, its tooltips, its lightbox and its font of icons are left out (the site has its
own, a tenth of the size); scripts do not hold up the first paint; the style sheets keep the rules
that some page can use, and that for dark colours only what differs from the light one.
"""

import html
import json
import re
from html.parser import HTMLParser

LEFT_OUT = re.compile(
    r'\s*<(?:script|link)\b[^>]*(?:src|href)="[^"]*(?:quarto-search/|tippy|popper|glightbox|bootstrap-icons'
    r"|quarto-html/quarto\.js|tabsets|quarto-syntax-highlighting)[^>]*>(?:</script>)?"
)
COLOURS = re.compile(r"color|background|border|shadow|fill|stroke|outline|filter|--bs|mask|opacity")
# The page for wrong addresses names its style sheets by the address of the published site; where
# they cannot be reached it is still a page.
PLAIN = """<style>
body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem; font: 1.1rem/1.5 sans-serif; }
</style>"""
# The fonts of the first paint are asked for at once; from a folder a browser may not.
PRELOAD = """<script>if (location.protocol !== "file:") for (const href of %s) {
  const link = Object.assign(document.createElement("link"), { rel: "preload", as: "font", href });
  Object.assign(link, { type: "font/woff2", crossOrigin: "" });
  document.head.append(link);
}</script>"""
SCRIPTS = ["page.js", "search.js", "hints.js"]
PRELOADED = ["serif-400", "serif-600", "sans-400", "sans-600"]
FONTS = "site_libs/bootstrap/site/fonts"


def polish(site, descriptions):
    """Change all pages of the site in place.

    Args:
        site: the folder that Quarto has rendered.
        descriptions: by page ("notebooks/01-data.html"): (description, picture, what it shows).
    """
    pages = [page for page in site.rglob("*.html") if "demos" not in page.parts]
    sections = []
    for page in sorted(pages, key=lambda page: page.relative_to(site).as_posix()):
        name = page.relative_to(site).as_posix()
        source = page.read_text(encoding="utf-8")
        if name != "404.html":
            sections += sections_of(source, name)
        page.write_text(polished(source, name, descriptions.get(name)), encoding="utf-8")
    (site / "search.json").write_text(
        json.dumps(sections, ensure_ascii=False, indent=0), encoding="utf-8"
    )
    lighten_styles(site, pages)


def polished(source, name, about):
    """One page, as HTML: its head is lighter, and says what the page is about."""
    root = re.search(r'<meta name="quarto:offset" content="([^"]*)">', source)
    root = root[1] if root else "/"
    if name == "404.html":  # its addresses are absolute, from wherever it is shown
        root = re.search(r'(?:href|src)="(/[^"]*?)site_libs/', source)[1]
    source = LEFT_OUT.sub("", source)
    source = re.sub(r"<script>var lightboxQuarto.*?</script>", "", source, flags=re.S)
    source = re.sub(r'<script id="quarto-search-options".*?</script>', "", source, flags=re.S)
    source = re.sub(r"<script (?=src=)", "<script defer ", source)
    source = source.replace(
        'quarto-color-alternate" id', 'quarto-color-alternate" media="screen" id'
    )
    # Quarto's script asks for this one by its id and class.
    head = ['<link id="quarto-text-highlighting-styles" class="quarto-color-scheme-extra">']
    fonts = json.dumps([f"{root}{FONTS}/{font}.woff2" for font in PRELOADED])
    head.append(PRELOAD % fonts)
    scripts = [*SCRIPTS, "first.js"] if name == "index.html" else SCRIPTS
    head += [f'<script defer src="{root}site/{script}"></script>' for script in scripts]
    if name == "404.html":
        head.insert(0, PLAIN)
    if about:
        source = described(source, *about)
    source = source.replace("</title>", "</title>\n" + "\n".join(head), 1)
    source = source.replace("<html ", f'<html data-root="{root}" ', 1)
    source = re.sub(
        r"(<body[^>]*>)",
        r'\1<a class="skip" href="#quarto-document-content">Skip to the text</a>',
        source,
        count=1,
    )
    if name == "glossary.html":  # the filter has its room before its script runs
        first = '<section id="'
        source = source.replace(first, '<div class="filter"></div>\n' + first, 1)
    return nested_code(marked_asserts(source))


def described(source, description, picture, shows):
    """The head says what the page is about, to searches and where a link to it is shared."""
    text, alt = html.escape(description), html.escape(shows)
    source = re.sub(r'\n<meta name="description"[^>]*>', "", source)
    for kind in ("og:", "twitter:"):
        for name, value in [("description", text), ("image", picture), ("image:alt", alt)]:
            tag = rf'(<meta (?:property|name)="{kind}{name}" content=")[^"]*(">)'
            source = re.sub(tag, lambda found, v=value: found[1] + v + found[2], source)
        source = re.sub(rf'<meta [^>]*"{kind}image[:-](?:width|height)"[^>]*>\n?', "", source)
    return source.replace("</title>", f'</title>\n<meta name="description" content="{text}">', 1)


def marked_asserts(source):
    """Lines of an assert have a ground of their own; empty lines of code are lower than others."""

    def mark(found):
        lines = re.split(r'(?=<span id="cb\d+-\d+">)', found[0])
        depth, marked = None, []
        for line in lines:
            text = html.unescape(re.sub(r"<[^>]+>", "", line)).rstrip("\n")
            if not text and depth is None:
                line = re.sub(r'<span id="(cb\d+-\d+)">', r'<span id="\1" class="blank">', line)
            if text.lstrip().startswith("assert "):
                depth = 0
            if depth is not None and text.strip():
                line = re.sub(r'<span id="(cb\d+-\d+)">', r'<span id="\1" class="tested">', line)
                depth += sum(text.count(c) for c in "([{") - sum(text.count(c) for c in ")]}")
                depth = None if depth <= 0 else depth
            marked.append(line)
        return "".join(marked)

    return re.sub(r'<code class="sourceCode python">.*?</code>', mark, source, flags=re.S)


WORDS = (
    "False None True and as assert async await break class continue def del elif else except "
    "finally for from global if import in is lambda nonlocal not or pass raise return try while "
    "with yield"
)
TOKEN = re.compile(
    rf"(?P<co>#.*$)|(?P<st>[frb]*\"[^\"]*\"|[frb]*'[^']*')|\b(?P<kw>{WORDS.replace(' ', '|')})\b"
    r"|(?P<dv>\b\d[\d_.e]*\b)",
    re.M,
)


def nested_code(source):
    """A program that stands in a string of a cell is coloured as code, not as one long string."""

    def coloured(text):
        def colour(found):
            return f'<span class="{found.lastgroup}">{html.escape(found[0], quote=False)}</span>'

        parts, last = [], 0
        for found in TOKEN.finditer(text):
            parts += [html.escape(text[last : found.start()], quote=False), colour(found)]
            last = found.end()
        return "".join(parts) + html.escape(text[last:], quote=False)

    def recolour(found):
        lines = found[0].split("\n")
        whole = re.compile(
            r'^(<span id="cb[^"]*">(?:<a [^>]*></a>)?)<span class="st">(.*?)</span></span>$'
        )
        inside = [whole.match(line) for line in lines]
        texts = [html.unescape(line[2]) if line else "" for line in inside]
        if sum(bool(re.match(r"(import|from) \w", text)) for text in texts) < 2:
            return found[0]
        return "\n".join(
            f"{part[1]}{coloured(text)}</span>" if part else line
            for line, part, text in zip(lines, inside, texts)
        )

    return re.sub(r'<code class="sourceCode python">.*?</code>', recolour, source, flags=re.S)


# --- search --------------------------------------------------------------------------------------

SILENT = {"script", "style", "annotation", "button", "nav", "svg"}
VOID = {"img", "br", "hr", "input", "link", "meta", "source", "wbr", "col"}
BLOCKS = {
    "p",
    "li",
    "pre",
    "div",
    "td",
    "th",
    "tr",
    "h1",
    "h2",
    "h3",
    "figcaption",
    "summary",
    "math",
}


class Sections(HTMLParser):
    """The text of a page by section; formulas stand there once."""

    def __init__(self, name):
        super().__init__()
        self.name, self.title = name, ""
        self.sections = [["", "", []]]  # id, heading, pieces of text
        self.in_main, self.silent, self.heading = False, 0, None
        self.open = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "main":
            self.in_main = True
        if not self.in_main or tag in VOID:
            return
        hidden = tag in SILENT or (attributes.get("aria-hidden") == "true" and tag != "a")
        hidden = hidden or "margin-note" in (attributes.get("class") or "")
        self.open.append((tag, hidden))
        self.silent += hidden
        if tag == "section" and attributes.get("id") and not self.silent:
            self.sections.append([attributes["id"], "", []])
        if tag in {"h1", "h2", "h3"}:
            self.heading = tag
        if tag in BLOCKS:
            self.sections[-1][2].append(" ")

    def handle_endtag(self, tag):
        if tag == "main":
            self.in_main = False
        if not self.in_main or tag not in [name for name, _ in self.open]:
            return
        while self.open:
            name, hidden = self.open.pop()
            self.silent -= hidden
            if name == tag:
                break
        if tag == self.heading:
            self.heading = None
        if tag in BLOCKS:
            self.sections[-1][2].append(" ")

    def handle_data(self, data):
        if not self.in_main or self.silent:
            return
        if self.heading == "h1":
            self.title += data
        elif self.heading:
            self.sections[-1][1] += data
        else:
            self.sections[-1][2].append(data)


def sections_of(source, name):
    """The entries of the search index for one page."""
    parser = Sections(name)
    parser.feed(source)
    entries = []
    for place, heading, pieces in parser.sections:
        text = " ".join("".join(pieces).split())
        if text or heading:
            entries.append(
                {
                    "title": " ".join(parser.title.split()),
                    "section": " ".join(heading.split()),
                    "href": name + (f"#{place}" if place else ""),
                    "text": text,
                }
            )
    return entries


# --- style sheets --------------------------------------------------------------------------------


def lighten_styles(site, pages):
    """Keep the rules that a page can use; of the dark sheet, those that the light one has not."""
    sources = [page.read_text(encoding="utf-8") for page in pages]
    scripts = [file.read_text(encoding="utf-8") for file in (site / "site").rglob("*.js")]
    scripts += [
        file.read_text(encoding="utf-8")
        for folder in ("bootstrap", "quarto-nav", "quarto-html", "clipboard")
        for file in (site / "site_libs" / folder).glob("*.js")
        if file.name not in {"quarto.js", "tippy.umd.min.js", "popper.min.js"}
    ]
    words = set(re.findall(r"[\w-]+", " ".join(sources + scripts)))
    sheets = {
        sheet: parts_of(sheet.read_text("utf-8")) for sheet in site.rglob("bootstrap-*.min.css")
    }
    dark = {sheet for sheet in sheets if "bootstrap-dark" in sheet.name}
    light = {
        str(part) for sheet, parts in sheets.items() if sheet not in dark for part in flat(parts)
    }
    for sheet, parts in sheets.items():
        kept = [used(part, words) for part in parts]
        if sheet in dark:
            kept = [without(part, light) for part in kept if part]
        sheet.write_text("".join(written(part) for part in kept if part), encoding="utf-8")


def parts_of(css):
    """A style sheet as a list of (prelude, body): body is text, a list of parts, or None."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.S)
    parts, at = [], 0
    while at < len(css):
        start = end = at
        end = _end(css, at, "{;")
        if end >= len(css):
            break
        prelude = css[start:end].strip()
        if css[end] == ";":
            parts.append((prelude, None))
            at = end + 1
            continue
        close = _end(css, end + 1, "}")
        body = css[end + 1 : close]
        nested = prelude.startswith(("@media", "@supports", "@container", "@layer"))
        parts.append((prelude, parts_of(body) if nested else body))
        at = close + 1
    return parts


def _end(css, at, stops):
    """Where the next of some signs stands, outside of strings, url() and nested braces."""
    depth = 0
    while at < len(css):
        sign = css[at]
        if sign in "\"'":
            at = css.index(sign, at + 1)
        elif depth == 0 and sign in stops:
            return at
        elif sign in "{(":
            depth += 1
        elif sign in "})":
            depth -= 1
        at += 1
    return at


def used(part, words):
    """The part with the selectors that can match: all their classes and ids occur in a page."""
    prelude, body = part
    if isinstance(body, list):
        kept = [inner for inner in (used(inner, words) for inner in body) if inner]
        return (prelude, kept) if kept else None
    if prelude.startswith("@") or body is None:
        return part if "bootstrap-icons" not in (body or "") else None

    def matches(selector):
        bare = re.sub(r":(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)|\[[^]]*\]|\\.", "", selector)
        return all(name in words for name in re.findall(r"[.#](-?[A-Za-z_][\w-]*)", bare))

    selectors = [s for s in re.split(r",(?![^(]*\))", prelude) if matches(s)]
    return (",".join(selectors), body) if selectors and body.strip() else None


def flat(parts):
    """All rules with what they stand in."""
    for prelude, body in parts:
        if isinstance(body, list):
            yield from ((prelude, inner) for inner in flat(body))
        else:
            yield prelude, body


def without(part, known, around=()):
    """The part without the rules that are known, or None."""
    prelude, body = part
    if isinstance(body, list):
        kept = [without(inner, known, (*around, prelude)) for inner in body]
        kept = [inner for inner in kept if inner]
        return (prelude, kept) if kept else None
    rule = part
    for outer in reversed(around):
        rule = (outer, rule)
    # A rule with colours stays even if both sheets have it: it may override one that differs.
    return None if str(rule) in known and not COLOURS.search(str(body)) else part


def written(part):
    """A part as text."""
    prelude, body = part
    if body is None:
        return prelude + ";"
    return prelude + "{" + (body if isinstance(body, str) else "".join(map(written, body))) + "}"
