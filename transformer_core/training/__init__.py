"""Training an encoder–decoder on parallel text: data, loop, checkpoints, evaluation."""
