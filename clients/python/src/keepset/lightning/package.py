"""The package of PyTorch Lightning that the script has imported: it has two names."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or "pytorch_lightning" in sys.modules:
    from pytorch_lightning import Callback, LightningModule, Trainer
elif "lightning" in sys.modules:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:
    try:
        from pytorch_lightning import Callback, LightningModule, Trainer
    except ImportError as error:
        raise ImportError('keepset.lightning needs PyTorch Lightning: pip install "keepset[lightning]"') from error

__all__ = ["Callback", "LightningModule", "Trainer"]
