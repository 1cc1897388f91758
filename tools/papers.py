"""The papers of references.bib, as short as a note in the margin."""

import re
import unicodedata

ACCENTS = {
    "'": "\u0301", "`": "\u0300", '"': "\u0308", "^": "\u0302", "~": "\u0303", "c": "\u0327",
    "v": "\u030c", "H": "\u030b", "r": "\u030a", "u": "\u0306", "=": "\u0304",
    ".": "\u0307", "k": "\u0328",
}  # fmt: skip
LETTERS = {
    r"\o": "ø",
    r"\O": "Ø",
    r"\l": "ł",
    r"\L": "Ł",
    r"\ss": "ß",
    r"\i": "i",
    r"\ae": "æ",
    r"\&": "&",
}


def plain(text):
    """A BibTeX value without its braces and accents written as commands."""
    for command, letter in LETTERS.items():
        text = re.sub(re.escape(command) + r"(?![a-zA-Z])", letter, text)
    accent = rf"\\([{re.escape(''.join(ACCENTS))}])\s*\{{?\s*(\w)\s*\}}?"
    text = re.sub(accent, lambda found: found[2] + ACCENTS[found[1]], text)
    return unicodedata.normalize(
        "NFC", re.sub(r"[{}]|\\(?=[%&_$#])", "", text).replace("--", "–").replace("~", " ")
    )


def short_authors(names):
    """\"Kaiming He and three others\"; up to three are all named."""
    people = [" ".join(reversed(plain(name).split(", "))) for name in re.split(r"\s+and\s+", names)]
    if len(people) > 3:
        return people[0] + " and others"
    return " and ".join(filter(None, [", ".join(people[:-1]), people[-1]]))


def read_papers(source):
    """By address (as a page links it): authors, title, and the rest: where and when it appeared."""
    papers = {}
    for entry in re.split(r"^@", source, flags=re.M)[1:]:
        fields = {
            name.lower(): " ".join(value.split())
            for name, value in re.findall(r"^\s*(\w+)\s*=\s*\{(.*?)\},?\s*$", entry, re.M | re.S)
        }
        if not {"author", "title", "year"} <= fields.keys():
            continue
        where = fields.get("journal") or fields.get("booktitle") or fields.get("publisher") or ""
        where = plain(where) or ("arXiv" if "arxiv.org" in fields.get("url", "") else "")
        paper = {
            "authors": short_authors(fields["author"]),
            "title": plain(fields["title"]),
            "rest": f". {where}{', ' if where else ''}{fields['year']}.",
        }
        addresses = [fields.get("url"), "doi" in fields and "https://doi.org/" + fields["doi"]]
        if "eprint" in fields:
            addresses.append("https://arxiv.org/abs/" + fields["eprint"])
        papers |= {address: paper for address in addresses if address}
    return papers
