"""Keepset in a PyTorch Lightning training: one callback, and `fit` stays as it is.

Works for both names of the package, `pytorch_lightning` and `lightning.pytorch`: the one that the script has imported.
"""

from keepset.lightning.callback import KeepsetCallback
from keepset.lightning.total_steps import total_steps

__all__ = ["KeepsetCallback", "total_steps"]
