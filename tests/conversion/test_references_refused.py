"""TorchScript programs that do not take one picture, or do not return tensors for it."""

import numpy as np
import pytest
import torch
from torch import nn

from piyard.convert.lowering import save_script
from piyard.convert.reference import TorchReference
from piyard.core.errors import ConversionFailed

SHAPE = (3, 16, 16)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def run(network):
    program = torch.jit.script(network.eval())
    reference = TorchReference(network=program, shapes=[SHAPE], write=save_script)
    with torch.no_grad():
        reference.run(np.zeros(SHAPE, np.float32))


class Refusing(nn.Module):
    """Takes two inputs."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x + y


class Sized(nn.Module):
    """Takes one size."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(3 * 8 * 8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.last(x.flatten(1))
        return result


@pytest.mark.parametrize("network", [Refusing(), Sized()])
def test_a_program_that_is_fed_otherwise(network):
    with pytest.raises(ConversionFailed, match="does not run for an input 3,16,16") as caught:
        run(network)
    assert "--input" in caught.value.remedy


class Named(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"a": x}


class Nested(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        return x, (x, x)


class Scalar(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum()


class Twice(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x])


@pytest.mark.parametrize("network", [Named(), Nested(), Scalar(), Twice()])
def test_a_program_whose_outputs_are_no_tensors_of_one_picture(network):
    with pytest.raises(
        ConversionFailed, match="neither a tensor nor a tuple of tensors for a batch of one"
    ):
        run(network)
