"""The helper package of the course: what one notebook teaches, the later ones import from here.

data, shapes and models stand alone; all other modules stand on them.
"""
