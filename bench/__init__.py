"""The product beside a plain script."""
