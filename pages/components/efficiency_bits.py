"""Quantisation: int8 and bfloat16 beside the plain model."""

from __future__ import annotations

from typing import Any

from pages.components.efficiency_method import Method, Shown, compared, comparison_files

EXPLANATION = r"""
**int8.** Each row of a matrix is rounded to whole numbers from −127 to 127 with a scale of its own,
$\hat W = \mathrm{round}(W / s_w)$, $s_w = \max |w| / 127$; each token's vector likewise as it
comes:

$$y = s_x\, s_w \left(\hat x\, \hat W^\top\right) + b$$

The products are of integers, summed in 32 bits ([Dettmers et al.
2022](https://arxiv.org/abs/2208.07339), section 2.1, vector-wise). Norms, softmax and the residual
stream stay in 32 bits. Whether that is faster depends on the processor: with integer instructions
(AVX-512 VNNI, AMX) it is, without them it may be slower. What is measured here is what it is here.

**bfloat16** keeps the 8 bits of the exponent and 7 of the mantissa: half the size. On a CPU without
bfloat16 instructions it is slower than 32 bits.
"""


def show(model_id: str, _: str) -> Shown:
    """Measure both."""

    def variants(model: Any) -> list[Any]:
        from transformer_core.efficiency.quantization import quantized

        return [quantized(model, "int8"), quantized(model, "bfloat16")]

    found = compared((model_id,), "quantisation", variants, n_variants=2)
    code = (
        "import transformer_core as tc\n"
        "from transformer_core.efficiency.comparison import compare\n"
        "from transformer_core.efficiency.evaluation import shipped\n"
        "from transformer_core.efficiency.quantization import quantized\n"
        "from transformer_core.efficiency.variants import plain\n\n"
        f"model = tc.load({model_id!r})\n"
        "variants = [plain(model), quantized(model, 'int8'), quantized(model, 'bfloat16')]\n"
        "print(compare('quantisation', variants, shipped()).to_dict())\n"
    )
    return Shown(code, comparison_files(found, "quantisation"))


METHOD = Method("Quantisation", "How few bits are enough?", show, EXPLANATION)
