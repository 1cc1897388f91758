"""The first thing that runs in the page's Python: puts the stand-in in place."""

import sys


def boot(places):
    """Make the engine importable from these folders."""
    sys.path[:0] = places
    import stand_in

    stand_in.install()
    import session

    return session
