"""How a model's next token is chosen: strategies, step by step, with everything to be looked at."""
