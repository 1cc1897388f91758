"""A backend of matplotlib: draws into memory, and plt.show() hands the figures to the page."""

from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from session import TARGET


class FigureManager(FigureManagerBase):
    @classmethod
    def pyplot_show(cls, *, block=None):
        if TARGET:
            TARGET[0]()


class FigureCanvas(FigureCanvasAgg):
    manager_class = FigureManager
