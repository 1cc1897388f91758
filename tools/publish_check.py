"""Before the course is published: make publish-check ADDRESS=https://github.com/NAME/REPOSITORY

Writes the address where it belongs, asks for every outside link whether it is there, and lists what
remains to be done by hand. The status is 1 where a link is dead or the list is not empty.
"""

import argparse
import http.client
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [
    "*.md",
    "*.qmd",
    "*.cff",
    "*.bib",
    "hpc/*.qmd",
    "data/*.md",
    "paper/*.md",
    "notebooks/*.ipynb",
]
ADDRESS = r"https://github\.com/[\w.-]+/[\w.-]+"
BY_HAND = [
    "Settings, Pages, Source: GitHub Actions; the workflow `site` publishes from then on.",
    "Settings, Security: private reports of vulnerabilities on.",
    "Zenodo: switch the repository on before the first release; the release gets the DOI.",
    "After that, write the DOI into CITATION.cff.",
    "Open one notebook in Colab by its link, one Codespace, and the repository on mybinder.org.",
    "Look at what did not run here: the workflow `newest versions` on macOS and on Windows.",
]


def links(folder):
    """Outside link -> names of the files that hold it."""
    found = {}
    for pattern in PAGES:
        for path in sorted(folder.glob(pattern)):
            for link in links_in(text_of(path)):
                found.setdefault(link, []).append(path.relative_to(folder).as_posix())
    return found


def text_of(path):
    """What a reader sees of a file: of a notebook the Markdown."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def links_in(text):
    """The outside links of a text, each once, without what follows them in the sentence."""
    found = []
    for link in re.findall(r"https?://[^\s<>\"'`\]{}|\\]+", text):
        while link[-1] in ".,;:!?*_" or (link[-1] == ")" and link.count("(") < link.count(")")):
            link = link[:-1]
        found.append(link.partition("#")[0])
    found += [
        f"https://doi.org/{doi}" for doi in re.findall(r"^ *doi *= *[{\"](10\.[^}\"]+)", text, re.M)
    ]
    return [
        one
        for one in dict.fromkeys(found)
        if not re.match(r"https?://(localhost|127\.|[^/]*example\.)", one)
    ]


def ask(link, timeout=15):
    """ "there", "dead", "refused" (the server answers, but not to a program) or "not reached"."""
    request = urllib.request.Request(link, headers={"User-Agent": "Mozilla/5.0 (link check)"})
    try:
        with urllib.request.urlopen(request, timeout=timeout):
            return "there"
    except urllib.error.HTTPError as error:
        return "dead" if error.code in (404, 410) else "refused"
    except (OSError, ValueError, http.client.HTTPException):
        return "not reached"


def write_address(folder, address):
    """Put the address into _quarto.yml; returns the one before."""
    path = folder / "_quarto.yml"
    text = path.read_text(encoding="utf-8")
    before = re.search(r"^( +repo-url: )(\S+)", text, re.M)
    path.write_text(
        text[: before.start(2)] + address + text[before.end(2) :], encoding="utf-8", newline="\n"
    )
    return before[2]


def left_over(folder):
    """What in the files still stands for something that only the maintainer knows."""
    problems = []
    for name, pattern, what in [
        ("_quarto.yml", r"repo-url: \S+/OWNER/", "the address still has OWNER in it"),
        ("CITATION.cff", r"- name: \"The authors", "no author is named"),
        ("CITATION.cff", r"\A(?!(.|\n)*^version:)", "no version is named"),
        ("paper/paper.md", r"name: The authors", "no author is named"),
        (".zenodo.json", r"\"name\": \"The authors", "no author is named"),
        (".github/CODE_OF_CONDUCT.md", r"ADDRESS-FOR-REPORTS", "no address for reports is named"),
    ]:
        path = folder / name
        if path.exists() and re.search(pattern, path.read_text(encoding="utf-8"), re.M):
            problems.append(f"{name}: {what}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", nargs="?", help="https://github.com/NAME/REPOSITORY")
    parser.add_argument("--no-links", action="store_true", help="do not ask for any link")
    arguments = parser.parse_args()
    if arguments.address:
        address = arguments.address.removesuffix("/").removesuffix(".git")
        if not re.fullmatch(ADDRESS, address):
            sys.exit(f"{address} is not an address such as https://github.com/NAME/REPOSITORY.")
        before = write_address(REPOSITORY, address)
        subprocess.run([sys.executable, REPOSITORY / "tools" / "stamp.py"], check=True)
        print(
            f"The address was {before}, and is {address}. Look at it (git diff), then commit it.\n"
        )
    answers = {} if arguments.no_links else check_links(links(REPOSITORY))
    problems = left_over(REPOSITORY)
    print("\nStill to be written into the files:")
    print("\n".join(f"- {line}" for line in problems) or "nothing")
    print("\nTo be done by hand:\n" + "\n".join(f"- {line}" for line in BY_HAND))
    sys.exit(bool(problems or "dead" in answers.values()))


def check_links(found):
    """Ask for all links and print those that are not there; returns link -> answer."""
    with ThreadPoolExecutor(8) as pool:
        answers = dict(zip(found, pool.map(ask, found)))
    for verdict in ("dead", "refused", "not reached"):
        lines = [f"- {link} ({found[link][0]})" for link in found if answers[link] == verdict]
        if lines:
            print(f"{verdict}, {len(lines)} of {len(found)}:", *lines, sep="\n")
    print(f"{list(answers.values()).count('there')} of {len(found)} links are there.")
    return answers


if __name__ == "__main__":
    main()
