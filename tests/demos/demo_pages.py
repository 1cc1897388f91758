"""The pages of demos/, with what the checks of every page need to know of each."""

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DEMOS = REPOSITORY / "demos"


@dataclass(frozen=True)
class State:
    """A view of a page: the query of its address, and a script that leads on from there."""

    name: str = "start"
    query: str = ""
    script: str = ""


@dataclass(frozen=True)
class DemoPage:
    """One page."""

    name: str  # of its file, and of its folder
    ready: str  # JavaScript: true when the page is built, or says why it is not
    bytes: tuple[int, int]  # least and most over the wire at the first visit
    states: tuple[State, ...] = (State(),)
    controls: str = "theme"  # ids or names of what the keyboard must reach
    still: str = ""  # the picture where no script runs
    still_alt: str = ""  # what its alternative text begins with
    losable: str = ""  # files without which the page must say so

    @property
    def file(self):
        return f"{self.name}.html"


def look_at(key):
    """A script that chooses a stage of the page to draw on."""
    return (
        f"(select => {{ select.value = '{key}'; select.dispatchEvent(new Event('change')) }})"
        "(document.getElementById('place-key'))"
    )


TROUBLE = "!document.getElementById('trouble').hidden"
STAGES = ("conv1", "conv2", "pool", "hidden", "logits")
EXPLORED = ["?N=28&P=2&kernel=all&at=3,3", "?K=7&D=1&kernel=blur&at=0,0", "?N=3&K=5", "?N=1"]
EXPLORED += ["?op=pool&N=9&K=2&S=2", "?N=12&S=3&P=1&kernel=learned-3&at=1,1"]

INDEX = DemoPage("index", "document.readyState === 'complete'", (1, 200_000))
DRAW = DemoPage(
    "draw",
    ready=f"document.querySelector('#verdict')?.textContent || {TROUBLE}",
    bytes=(2_000_000, 3_000_000),
    states=tuple(State(key, script=look_at(key)) for key in STAGES),
    controls="theme pad clear next wrong width raw place-key place-map place-row place-column",
    still="draw.png",
    still_alt="A handwritten seven",
    losable="draw/page.js draw/network.js draw/weights.bin shared/drawing.js shared/digits.json",
)
EXPLORE = DemoPage(
    "explore",
    ready=f"!document.getElementById('app').hidden || {TROUBLE}",
    bytes=(10_000, 150_000),
    states=(State(), *(State(query, query) for query in EXPLORED)),
    controls="theme output start play place op N K S P D input-choice crop kernel-choice reset",
    still="explore.svg",
    still_alt="A handwritten nine",
    losable="explore/page.js explore/view.js explore/data.json shared/convolution.js",
)
TRAIN = DemoPage(
    "train",
    ready=f"!document.getElementById('app').hidden || {TROUBLE}",
    bytes=(10_000, 120_000),
    states=(State(), State("mistakes", "?mistakes=softmax,dead&epochs=1&rate=7")),
    controls="theme start mistake rate batch optimizer width dropout images epochs seed reset copy",
    losable="train/page.js train/run.js shared/dom.js",
)
PHOTO = DemoPage(
    "photo",
    ready=f"!document.getElementById('demo').hidden || {TROUBLE}",
    bytes=(10_000, 100_000),  # the network comes with the first photograph
    controls="theme file example",
    losable="photo/page.js photo/image.js photo/network.js",
)
PAGES = [INDEX, DRAW, EXPLORE, TRAIN, PHOTO]
