"""Cut the fonts of the site out of their full versions: `python tools/make_fonts.py FOLDER`.

FOLDER holds the npm packages of the fonts, unpacked, each under its own name:
`npm pack source-serif@4.5.1 @ibm/plex-sans@1.1.0 @ibm/plex-mono@2.5.0`. The results are committed,
so nobody needs this, or the packages fonttools and brotli that it asks for, to build the site.
"""

import sys
from pathlib import Path

from fontTools import subset

FONTS = Path(__file__).resolve().parents[1] / "site" / "fonts"
SERIF = "source-serif/WOFF2/TTF/SourceSerif4-{}.ttf.woff2"
SANS = "plex-sans/fonts/complete/woff2/IBMPlexSans-{}.woff2"
MONO = "plex-mono/fonts/complete/woff2/IBMPlexMono-{}.woff2"
FILES = {
    "serif-400.woff2": SERIF.format("Regular"),
    "serif-400-italic.woff2": SERIF.format("It"),
    "serif-600.woff2": SERIF.format("Semibold"),
    "sans-400.woff2": SANS.format("Regular"),
    "sans-600.woff2": SANS.format("SemiBold"),
    "mono-400.woff2": MONO.format("Regular"),
}
# Latin with the letters of European names, Greek, punctuation, arrows and the signs of formulas.
SIGNS = [
    *range(0x20, 0x7F),
    *range(0xA0, 0x180),
    *range(0x391, 0x3CA),
    *range(0x2010, 0x2028),
    *range(0x2030, 0x203B),
    *range(0x2070, 0x2095),
    0x20AC,
    *range(0x2190, 0x2194),
    *range(0x2200, 0x2270),
    *range(0x2308, 0x230C),
    0x2500,
    0x2502,
    0x25B6,
    0x2713,
    0x2717,
]


def cut(source, target):
    """Write the part of a font that the site needs, as WOFF2."""
    options = subset.Options()
    options.flavor = "woff2"
    options.layout_features = [
        "kern",
        "liga",
        "mark",
        "mkmk",
        "ccmp",
        "locl",
        "tnum",
        "onum",
        "lnum",
    ]
    options.name_IDs = ["*"]  # copyright and licence stay in the file
    options.hinting = False
    font = subset.load_font(source, options)
    part = subset.Subsetter(options)
    part.populate(unicodes=SIGNS)
    part.subset(font)
    family = "Course " + target.stem.partition("-")[0].title()
    for record in font["name"].names:  # the licence keeps the old names for the whole fonts
        if record.nameID in {1, 3, 4, 6, 16}:
            record.string = family.replace(" ", "") if record.nameID == 6 else family
    subset.save_font(font, target, options)
    print(f"{target.name}: {target.stat().st_size // 1000} kB")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for name, source in FILES.items():
        cut(Path(sys.argv[1], source), FONTS / name)
