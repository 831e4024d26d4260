"""Keepset in the Hugging Face Trainer: `KeepsetTrainer`, which is a `transformers.Trainer`."""

try:
    from keepset.transformers.trainer import KeepsetTrainer
except ImportError as error:
    raise ImportError('keepset.transformers needs transformers: pip install "keepset[transformers]"') from error

__all__ = ["KeepsetTrainer"]
