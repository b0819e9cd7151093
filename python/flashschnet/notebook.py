"""What a notebook shows: progress bars, and the pages of runs. It needs IPython only in a notebook."""

from __future__ import annotations

import html
import sys
from typing import Any


def is_active() -> bool:
    """Whether the code runs in a cell of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def frame(page: str) -> str:
    """A page in a frame of its own, so that its styles do not change the notebook."""
    return (
        f'<iframe srcdoc="{html.escape(page)}" style="width: 100%; height: 80vh; border: 0" '
        'sandbox="allow-scripts allow-popups"></iframe>'
    )


class Bar:
    """A progress bar under a cell."""

    def __init__(self, _file: Any = None) -> None:
        from IPython.display import HTML, display

        self._make = HTML
        self._shown = display(HTML(""), display_id=True)

    def show(self, share: float, text: str) -> None:
        """Shows a share of the work, from 0 to 1."""
        bar = f'<progress value="{share:.4f}" max="1"></progress> {html.escape(text)}'
        self._shown.update(self._make(bar))

    def close(self) -> None:
        """Leaves the bar as it is."""
