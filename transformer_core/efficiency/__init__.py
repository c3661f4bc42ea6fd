"""What makes a Transformer cheaper, and what that costs in quality: measured, here and now."""
