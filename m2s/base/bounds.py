"""How long something may take, as a function that says how much of it is left."""

import math
import time
from collections.abc import Callable

Left = Callable[[], float]
"""Returns how many seconds are left; 0 or less when the time is over."""


def forever() -> float:
    """Return the seconds that are left where there is no end."""
    return math.inf


def after(seconds: float, clock: Callable[[], float] = time.monotonic) -> Left:
    """Return the bound that is ``seconds`` from now on."""
    until = clock() + seconds
    return lambda: until - clock()


def earliest(*bounds: Left) -> Left:
    """Return the bound that comes first of these, whenever it is asked."""
    return lambda: min(left() for left in bounds)
