"""What helps in working on the project."""
