"""Do two measures put things in the same order?"""

import torch
from jaxtyping import Float
from torch import Tensor


def ranks(values: Float[Tensor, "measure item"]) -> Float[Tensor, "measure item"]:
    """Rank of each item, 1 for the smallest; equal ones share the mean of their ranks."""
    below = (values[:, :, None] > values[:, None, :]).sum(-1)
    equal = (values[:, :, None] == values[:, None, :]).sum(-1)
    return below + (equal + 1) / 2


def spearman(values: Float[Tensor, "measure item"]) -> Float[Tensor, "measure measure"]:
    """Rank correlation of every two measures over the same items (Spearman 1904).

    Pearson's correlation of the ranks: 1 for the same order, −1 for the reverse. NaN for a measure
    that is the same for all items or was not measured (NaN somewhere), and below three items.
    """
    n_measures, n_items = values.shape
    if n_items < 3:
        return torch.full((n_measures, n_measures), torch.nan)
    centred = ranks(values.double())
    centred = centred - centred.mean(-1, keepdim=True)
    length = centred.norm(dim=-1, keepdim=True)
    usable = (length > 0) & ~values.isnan().any(-1, keepdim=True)
    unit = torch.where(usable, centred / length, torch.nan)
    return (unit @ unit.T).clamp(-1, 1).float()
