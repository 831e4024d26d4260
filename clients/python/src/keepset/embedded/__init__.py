"""The sampler that comes with this package, run by Node on this machine for as long as a process needs it.

`start()` needs no service to be started before, and no free port: all processes of a machine that start it for the same
directory share one. It needs Node, which `pip install "keepset[server]"` brings.
"""

from keepset.embedded.errors import EmbeddedSamplerError, NodeNotFoundError
from keepset.embedded.node import find_node
from keepset.embedded.sampler import EmbeddedSampler, start

__all__ = ["EmbeddedSampler", "EmbeddedSamplerError", "NodeNotFoundError", "find_node", "start"]
