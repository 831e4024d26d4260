"""Why an embedded sampler cannot be had."""

from __future__ import annotations

from keepset.client.errors import KeepsetError


class EmbeddedSamplerError(KeepsetError):
    """The embedded sampler did not start, or cannot be shared. The text ends with the last lines of its log, if it has
    one."""

    def __init__(self, message: str, *, reason: str = "EMBEDDED_SAMPLER_FAILED") -> None:
        super().__init__(message, code="UNAVAILABLE", reason=reason)


class NodeNotFoundError(EmbeddedSamplerError):
    """There is no Node that can run the embedded sampler."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="NODE_NOT_FOUND")


class DataDirInUseError(EmbeddedSamplerError):
    """Another sampler has the data directory."""


class AddressTakenError(EmbeddedSamplerError):
    """The sampler cannot have the gRPC address that it had before."""
