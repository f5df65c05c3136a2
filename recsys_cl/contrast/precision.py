"""In which numbers matrices are multiplied where a rounded product will do."""

from __future__ import annotations

from functools import cache

import torch


@cache
def quick_dtype(device: torch.device) -> torch.dtype:
    """Return the dtype that is multiplied most quickly: bfloat16, if the device itself does it, else float32."""
    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if device.type == "cuda" or able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32
