"""The cells in Triton against autograd: by its interpreter, and on a GPU where there is one."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from .conftest import assert_same, everything, start

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="no Triton")
def test_the_interpreter_gives_what_autograd_gives() -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.layers.recurrence.interpreted"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    errors = json.loads(done.stdout)
    assert len(errors) == 6
    assert max(errors.values()) < 5e-6, errors


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("lengths", [None, [7, 2, 9, 9]])
def test_a_gpu_gives_what_the_equations_give(cell: Callable[..., Any], lengths: list[int] | None) -> None:
    torch.manual_seed(0)
    layer = cell(5, 24, num_layers=2, bidirectional=True).cuda()
    reference = cell(5, 24, num_layers=2, bidirectional=True, engine="reference", dtype=torch.float64)
    reference.load_state_dict({name: value.double().cpu() for name, value in layer.state_dict().items()})
    x, how = torch.randn(9, 4, 5), {} if lengths is None else {"lengths": torch.tensor(lengths)}
    hx = start(reference, 4)
    on_gpu = tuple(part.detach().float().cuda().requires_grad_() for part in (hx if isinstance(hx, tuple) else (hx,)))
    found = everything(layer, x.cuda().requires_grad_(), on_gpu if len(on_gpu) > 1 else on_gpu[0], **how)
    assert_same([t.cpu() for t in found], everything(reference, x.double().requires_grad_(), hx, **how), 1e-4)
