"""Names under which others still import what is in `cells.py`."""

from jkeras.optimizers.cells import is_cell as is_cell
from jkeras.optimizers.cells import map_cells as map_cells
