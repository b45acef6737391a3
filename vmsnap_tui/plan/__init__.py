"""Pure: an inventory and a request become a plan, or a refusal with its remedy."""
