"""The optimizers do what torch's do."""

from typing import Any

import pytest
import torch
from torch import nn

from samoyed.training import optimizers


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_steps_states_and_hooks_are_those_of_torch(name: str) -> None:
    how: dict[str, Any] = {"momentum": 0.9, "nesterov": True} if name == "SGD" else {}
    found = []
    for module in (torch.optim, optimizers):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        x = torch.randn(5, 3)
        groups = [
            {"params": [*model[0].parameters()], "weight_decay": 0.1},
            {"params": [*model[2].parameters()], "lr": 0.3},
        ]
        optimizer = getattr(module, name)(groups, 0.1, fused=True, **how)
        steps: list[int] = []
        optimizer.register_step_post_hook(lambda *given, steps=steps: steps.append(1))
        for i in range(6):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
            if i == 2:  # as after an interruption
                state, optimizer = optimizer.state_dict(), getattr(module, name)(groups, 0.1, fused=True, **how)
                optimizer.load_state_dict(state)
                optimizer.register_step_post_hook(lambda *given, steps=steps: steps.append(1))
        assert len(steps) == 6
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()
        found.append([*model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
