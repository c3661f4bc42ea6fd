"""The texts that the page of the two tasks begins with."""

EXAMPLES = {
    "Translate": "The Transformer model has revolutionized natural language processing.",
    "Summarise": (
        "Climate change is one of the most pressing challenges of our time. Rising temperatures "
        "are melting the polar caps, raising sea levels and making heat waves, floods and droughts "
        "more frequent. Scientists agree that human activities, above all the burning of fossil "
        "fuels and the clearing of forests, are the main cause. Governments have promised to keep "
        "the warming well below two degrees, but current policies fall short of that goal. "
        "Renewable energy is growing quickly and has become cheaper than coal in most of the "
        "world. Farmers, cities and industries are learning to adapt, yet poor countries need help "
        "to protect their people. Experts say that the choices of the next ten years will decide "
        "whether the worst effects can still be avoided."
    ),
}
"""A paragraph in the manner of the common tutorials, and as long: 744 characters."""
