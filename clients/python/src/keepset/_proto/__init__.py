"""Messages of the contract, generated from proto/ by scripts/generate-python.mjs. Not for direct use."""
