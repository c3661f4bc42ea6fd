"""The guided tour: ten stops through the Transformer, each a page in a certain state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from transformer_core.figures.home import MODEL

_VASWANI = "[Vaswani et al. 2017](https://arxiv.org/abs/1706.03762)"


@dataclass(frozen=True)
class Stop:
    """One stop.

    Attributes:
        title: What it is about.
        text: Two to four sentences, Markdown.
        equation: LaTeX.
        source: Paper and section, Markdown.
        page: Stem of the page's file.
        block: Block of Home's map that stands for it, shown where the page is Home or not there.
        settings: What the page is to show, by the names of its widgets.
    """

    title: str
    text: str
    equation: str
    source: str
    page: str
    block: str
    settings: Mapping[str, object] = field(default_factory=dict)


def _attention(view: str, site: str, layer: int) -> dict[str, object]:
    return {"model": MODEL, "view": view, "site": site, "layer": layer, "head": 0}


STOPS = (
    Stop(
        "What a token is",
        "A Transformer reads numbers, not letters. A tokenizer cuts the sentence into **tokens**, "
        "words and pieces of words that were frequent in its training text, and gives each its "
        "number in a fixed vocabulary $V$. The map's lowest block holds the tokens of your "
        "sentence; their ids stand beside it.",
        r"x = (x_1, \dots, x_n), \quad x_i \in \{0, \dots, |V| - 1\}",
        f"{_VASWANI}, section 5.1; [Sennrich et al. 2016](https://arxiv.org/abs/1508.07909)",
        "home",
        "encoder.tokens",
    ),
    Stop(
        "Embedding",
        "Each id picks a row of a table $E$ that the model has learned: from now on a token is a "
        "**vector** of $d_{model}$ numbers. This model, like the paper's, uses one table for "
        "source, target and the final scores, and multiplies its rows by $\\sqrt{d_{model}}$.",
        r"e_i = \sqrt{d_{model}} \, E_{x_i}",
        f"{_VASWANI}, section 3.4",
        "home",
        "encoder.embedding",
    ),
    Stop(
        "Positions",
        "Attention alone does not know the order of the words: permute them, and its outputs are "
        "permuted alike, nothing more. So a **pattern of the position** is added to each "
        "embedding: sines and cosines whose wavelengths grow from $2\\pi$ to $10000 \\cdot 2\\pi$.",
        r"PE_{(pos, 2i)} = \sin\frac{pos}{10000^{2i/d_{model}}}, \quad "
        r"PE_{(pos, 2i+1)} = \cos\frac{pos}{10000^{2i/d_{model}}}",
        f"{_VASWANI}, section 3.5",
        "positions",
        "encoder.positions",
        {"positions_kind": "Sinusoidal", "positions_view": "Matrix"},
    ),
    Stop(
        "Attention",
        "Every token asks with a **query**, is found by its **key**, and hands over its **value**. "
        "The product of query and key says how well they fit, $\\sqrt{d_k}$ keeps it from growing "
        "with the width, and softmax makes of each row weights that sum to 1. Below it is computed "
        "step by step with the numbers of your sentence.",
        r"\mathrm{Attention}(Q, K, V) "
        r"= \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V",
        f"{_VASWANI}, section 3.2.1, equation 1",
        "attention",
        "encoder.self.block",
        _attention("By the numbers", "encoder", 0),
    ),
    Stop(
        "Heads",
        "One softmax reads one mixture at a time. So a layer runs $h$ attentions side by side, "
        "each in a subspace of $d_k = d_{model} / h$ dimensions, and joins what they read. Below "
        "are all heads of the encoder: some look at a neighbour, some rest on one token, and many "
        "have no role that could be named.",
        r"\mathrm{MultiHead}(Q, K, V) = \mathrm{Concat}(head_1, \dots, head_h) \, W^O",
        f"{_VASWANI}, section 3.2.2",
        "attention",
        "encoder.self.block",
        _attention("All heads", "encoder", 0),
    ),
    Stop(
        "A layer",
        "A layer is attention and then a **feed-forward** block that works on each token by "
        "itself. Each adds what it writes to what came in, so a *residual stream* runs from the "
        "embedding to the end. The paper normalises after every sum, $\\mathrm{LN}(x + f(x))$; "
        "this model, as most today, before every block.",
        r"x \leftarrow x + f(\mathrm{LN}(x)), \quad "
        r"\mathrm{FFN}(x) = \max(0, x W_1 + b_1) W_2 + b_2",
        f"{_VASWANI}, sections 3.1 and 3.3; [Xiong et al. 2020](https://arxiv.org/abs/2002.04745)",
        "layer",
        "encoder.ff.block",
        {"model": MODEL, "site": "encoder", "layer": 0, "head": 0, "layer_view": "The walk"},
    ),
    Stop(
        "The decoder",
        "The decoder writes from left to right. Its self-attention is **masked**: no token sees a "
        "later one. Its **cross-attention** takes queries from the translation, keys and values "
        "from the encoder: below, each row is a target token, each column a source token that it "
        "reads to find what comes next.",
        r"\mathrm{softmax}\!\left(\frac{Q_{dec} K_{enc}^\top}{\sqrt{d_k}}\right) V_{enc}",
        f"{_VASWANI}, section 3.2.3",
        "attention",
        "decoder.cross.block",
        _attention("Heat map", "cross", 1),
    ),
    Stop(
        "Decoding",
        "At every step each token of the vocabulary gets a score $z_i$, and softmax makes a "
        "probability of it. A strategy picks: greedy takes the largest, beam search keeps the best "
        "few texts, sampling draws. What was picked is read in the next step, until the end token.",
        r"p_i = \frac{\exp z_i}{\sum_j \exp z_j}",
        f"{_VASWANI}, sections 3.4 and 6.1",
        "decoding",
        "softmax",
        {"decoding_model": MODEL},
    ),
    Stop(
        "Training",
        "The model learns from pairs of texts. In training the decoder reads the *right* "
        "translation, shifted by one token (**teacher forcing**), so all positions are predicted "
        "at once. The loss is how little probability the right next tokens got; the paper also "
        "smooths the labels by 0.1 and warms the learning rate up.",
        r"L = -\frac{1}{m} \sum_{t=1}^{m} \log p(y_t \mid y_{<t}, x)",
        f"{_VASWANI}, sections 5.3 and 5.4",
        "train",
        "linear",
        {"train_mode": "Watch it learn"},
    ),
    Stop(
        "Efficiency",
        "Attention compares every token with every other: $n^2$ scores a head. While decoding, a "
        "**cache** keeps keys and values, so a new token costs one row. Sparse patterns, pruning, "
        "int8 and distillation give up exactness for time or memory; what is gained depends on the "
        "machine, so it is measured, not promised.",
        r"O(n^2 \cdot d)\ \text{a layer of self-attention}, \quad O(n \cdot d)\ "
        r"\text{for one more token}",
        f"{_VASWANI}, section 4, table 1",
        "efficiency",
        "decoder.self.block",
        {"model": MODEL, "method": "Sparse attention", "site": "cross", "layer": 0, "head": 0},
    ),
)
