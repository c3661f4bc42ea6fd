"""What models are for: translation and summarisation, on whole documents."""
