"""In which numbers matrices are multiplied where a rounded product will do, and how that is done quickly."""

from __future__ import annotations

from functools import cache

import torch
from torch.nn import functional

_COLUMNS = 512  # rounded products have a multiple of so many: torch makes and keeps a kernel for each shape


@cache
def quick_dtype(device: torch.device) -> torch.dtype:
    """Return the dtype that is multiplied most quickly: bfloat16, if the device itself does it, else float32."""
    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if device.type == "cuda" or able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32


def quick_dtype_for(vectors: torch.Tensor) -> torch.dtype:
    """Return `quick_dtype` for float32 vectors, and their own dtype where they are told to be more exact."""
    return quick_dtype(vectors.device) if vectors.dtype == torch.float32 else vectors.dtype


def quick_width(n: int, vectors: torch.Tensor) -> int:
    """Return to how many columns ``n`` are best widened where products with such vectors are taken quickly."""
    return n if quick_dtype_for(vectors) == vectors.dtype else -(-n // _COLUMNS) * _COLUMNS


def quick(vectors: torch.Tensor, rows: int) -> torch.Tensor:
    """Return vectors (n, d) rounded to `quick_dtype_for` them, widened by noughts to so many ``rows``."""
    return functional.pad(vectors.to(quick_dtype_for(vectors)), (0, 0, 0, rows - len(vectors)))


def product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return ``left @ right``, without a gradient."""
    if left.is_cuda or left.dtype == torch.bfloat16:
        return left @ right
    # numpy's BLAS is on some processors twice as quick as torch's.
    return torch.from_numpy(left.detach().numpy() @ right.detach().numpy())
