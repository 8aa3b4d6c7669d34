"""How weights follow their gradients: AdamW with warm-up and clipped gradients; a part of them is frozen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

FROZEN = "model.text_embedding."
"""Of the talker: a text's words mean what they meant, and a small data set has few of them."""
WEIGHT_DECAY = 0.01
LARGEST_GRADIENT = 1.0
"""The norm of all gradients together."""
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW remembers of each weight."""


def trainable(model: Any) -> dict[str, nn.Parameter]:
    """The weights that are trained, by their names in the talker; all others of the model are frozen."""
    model.requires_grad_(False)
    found = {name: each for name, each in model.talker.named_parameters() if not name.startswith(FROZEN)}
    for each in found.values():
        each.requires_grad_(True)
    return found


class Optimizer:
    """Of weights by name. `lr` is reached after `warmup_steps` steps, in equal parts, and kept."""

    def __init__(self, weights: dict[str, nn.Parameter], lr: float, warmup_steps: int) -> None:
        self._weights, self._lr, self._warmup_steps = weights, lr, warmup_steps
        matrices = [name for name, each in weights.items() if each.dim() > 1 and "embedding" not in name]
        groups = [
            {"params": [weights[name] for name in matrices], "weight_decay": WEIGHT_DECAY},
            {
                "params": [each for name, each in weights.items() if name not in set(matrices)],
                "weight_decay": 0.0,
            },
        ]
        self._adam = torch.optim.AdamW(groups, lr=lr)
        self.forget_gradients()  # a training that was called off or has failed may have left some

    def step(self, number: int) -> None:
        """Applies the gradients and forgets them; `number` counts the steps from 0."""
        torch.nn.utils.clip_grad_norm_(self._weights.values(), LARGEST_GRADIENT)
        for group in self._adam.param_groups:
            group["lr"] = self._lr * min(1.0, (number + 1) / max(1, self._warmup_steps))
        self._adam.step()
        self.forget_gradients()

    def forget_gradients(self) -> None:
        self._adam.zero_grad(set_to_none=True)

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """The weights and what is remembered of each, by name: all that the next step depends on."""
        for name, weight in self._weights.items():
            yield f"weight.{name}", weight.detach()
            remembered = self._adam.state.get(weight, {})
            yield from (
                (f"{moment}.{name}", remembered[moment]) for moment in MOMENTS if moment in remembered
            )

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor]) -> None:
        """As `state` gave it, under the same names. Raises KeyError and RuntimeError for another model's."""
        for name, weight in self._weights.items():
            weight.copy_(state[f"weight.{name}"])
            kept = {moment: state[f"{moment}.{name}"] for moment in MOMENTS if f"{moment}.{name}" in state}
            if kept:
                on_device = {moment: kept[moment].to(weight.device) for moment in MOMENTS[1:]}
                self._adam.state[weight] = {"step": kept["step"], **on_device}
