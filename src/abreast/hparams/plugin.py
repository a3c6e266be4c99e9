"""What TensorBoard loads: `pyproject.toml` names it among the entry points; it has no tab of its own."""

from __future__ import annotations

import logging

from tensorboard.plugins import base_plugin

from abreast.errors import class_and_line
from abreast.runtime.patches import is_on

log = logging.getLogger(__name__)


class HparamsLoader(base_plugin.TBLoader):  # type: ignore[misc]  # which has no types
    """Lets HPARAMS find its columns in all runs."""

    def load(self, context: object) -> None:
        """Change what TensorBoard does; there is no plugin to show.

        A TensorBoard that this does not fit works as without it, for the runs of others, too.
        """
        if not is_on("hparams_columns"):
            return
        try:
            from abreast.hparams.all_runs import find_columns_in_all_runs

            find_columns_in_all_runs()
        except Exception as error:
            log.warning("HPARAMS shows TensorBoard's own columns: %s", class_and_line(error))
