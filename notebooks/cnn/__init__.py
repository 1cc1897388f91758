"""The helper package of the course: what one notebook teaches, the later ones import from here.

data, shapes and models stand alone; training, plotting and figures stand on them.
"""
