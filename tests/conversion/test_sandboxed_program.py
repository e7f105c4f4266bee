"""A TorchScript file is a program: what it may do to this machine is nothing."""

import time

import numpy as np
import pytest
import torch
from torch import nn

from piyard.convert import script_program
from piyard.convert.lowering import save_script
from piyard.convert.reference import ScriptReference
from piyard.convert.script_messages import Done, Ready, Tensor, Tensors, encode_frame
from piyard.convert.script_program import SandboxedProgram
from piyard.core.errors import ConversionFailed, NotSetUp
from piyard.core.sandbox import launch
from piyard.core.sandbox.launch import container_problem, kernel_problem, trust_file

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning")]
SHAPE = (3, 8, 8)


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(6)
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(x)


class Writes(Plain):
    """In place of a path there is a constant of the program's."""

    def __init__(self, path: str):
        super().__init__()
        self.path = path

    def forward(self, x):
        return self.conv(x) + torch.from_file(self.path, shared=True, size=1)


class Reads(Writes):
    def forward(self, x):
        result = torch.from_file(self.path, shared=False, size=6, dtype=torch.uint8)
        return self.conv(x) + result.to(torch.float32).sum()


class Saves(Writes):
    def forward(self, x):
        torch.save(x, self.path)
        return self.conv(x)


class WritesWhenLoaded(Writes):
    def forward(self, x):
        return self.conv(x)

    @torch.jit.export
    def __getstate__(self):
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]):
        self.path, self.training = state[0], state[1]
        torch.from_file(self.path, shared=True, size=1)


class Endless(Plain):
    def forward(self, x):
        while bool(x.sum() < 1e30):
            print("endless")
        return self.conv(x)


class Huge(Plain):
    def forward(self, x):
        return self.conv(x) + torch.ones(10_000_000_000_000).sum()


@pytest.fixture(autouse=True)
def nobody_trusts(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(launch, "_trusted_now", set())


@pytest.fixture
def save(tmp_path):
    def write(network):
        file = tmp_path / "net.pt"
        torch.jit.script(network.eval()).save(str(file))
        return file

    return write


@pytest.fixture
def secret(tmp_path):
    (tmp_path / "secret").write_text("secret")
    return tmp_path / "secret"


@pytest.fixture(params=["kernel", pytest.param("container", marks=pytest.mark.docker)])
def each_sandbox(request, monkeypatch):
    problem = {"kernel": kernel_problem, "container": container_problem}[request.param]()
    if problem:
        pytest.skip(f"no sandbox by the {request.param}: {problem}")
    monkeypatch.setattr(launch, "sandbox_kind", lambda: request.param)


def inputs():
    return np.random.default_rng(1).random(SHAPE, np.float32)


def runs(file):
    return SandboxedProgram(file).run(inputs())


@pytest.mark.usefixtures("each_sandbox")
def test_an_honest_program_computes_what_it_does_without(save, tmp_path):
    network = Plain()
    program = SandboxedProgram(save(network))
    with torch.no_grad():
        expected = network(torch.from_numpy(inputs())[None])[0].numpy()
    np.testing.assert_array_equal(program.run(inputs())[0], expected)
    assert any(np.array_equal(value, expected[None]) for _, value in program.tensors(inputs()))
    assert program.count([SHAPE]) == {"params": 3 * 4 * 9 + 4, "macs": 3 * 4 * 9 * 6 * 6}
    assert program.describe().named == ["conv"]
    assert program.shapes(["conv"], SHAPE) == {"conv": (1, 4, 6, 6)}
    reference = ScriptReference(program=program, shapes=[SHAPE], write=save_script)
    (tmp_path / "made").mkdir()
    assert [layer.type for layer in reference.lower(tmp_path / "made", half=False)][
        -1
    ] == "Convolution"


@pytest.mark.usefixtures("each_sandbox")
@pytest.mark.parametrize("network", [Writes, Reads])
def test_it_reaches_no_file(save, secret, network):
    with pytest.raises(ConversionFailed) as caught:
        runs(save(network(str(secret))))
    assert secret.read_text() == "secret"
    assert "it reaches for files or for the network" in caught.value.remedy
    assert str(secret) in caught.value.evidence


@pytest.mark.usefixtures("each_sandbox")
def test_it_saves_no_file(save, secret):
    """torch does not tell that it could not."""
    runs(save(Saves(str(secret))))
    assert secret.read_text() == "secret"
    file = secret.with_name("other")
    runs(save(Saves(str(file))))
    assert not file.exists()


def test_neither_when_it_is_loaded(save, secret):
    file = save(WritesWhenLoaded(str(secret)))  # which runs it
    secret.write_text("secret")
    with pytest.raises(ConversionFailed, match="TorchScript"):
        SandboxedProgram(file)
    assert secret.read_text() == "secret"


@pytest.mark.parametrize("network", [Writes, Saves])
def test_neither_when_pnnx_reads_it(save, secret, tmp_path, network):
    program = SandboxedProgram(save(network(str(secret))))
    reference = ScriptReference(
        program=program, shapes=[SHAPE], write=save_script, chosen=[save_script]
    )
    with pytest.raises(ConversionFailed):
        reference.lower(tmp_path, half=False)
    assert secret.read_text() == "secret"


def test_an_endless_one_is_ended(save, monkeypatch):
    program = SandboxedProgram(save(Endless()))
    monkeypatch.setattr(script_program, "TIME_LIMIT_S", 1.0)
    with pytest.raises(ConversionFailed, match=r"net\.pt did not answer within 1 s"):
        program.run(inputs())
    assert program._process.popen.returncode is not None
    with pytest.raises(ConversionFailed, match="ended the process"):
        program.run(inputs())


def test_one_that_wants_all_memory_is_one_error(save):
    with pytest.raises(ConversionFailed) as caught:
        runs(save(Huge()))
    assert len(caught.value.evidence.splitlines()) < 6


def test_its_process_ends_with_it(save):
    program = SandboxedProgram(save(Plain()))
    popen = program._process.popen
    assert popen.poll() is None
    del program
    assert popen.poll() is not None


def test_it_is_said_before_it_is_run(save, secret, capsys, monkeypatch):
    monkeypatch.setattr(script_program, "_announced", set())
    with pytest.raises(ConversionFailed):
        runs(save(Writes(str(secret))))
    said = capsys.readouterr().err
    assert "net.pt is a TorchScript file, a program; it runs in a sandbox" in said


def test_without_a_sandbox_it_is_not_run(save, monkeypatch):
    monkeypatch.setattr(launch, "sandbox_kind", lambda: "none")
    with pytest.raises(NotSetUp, match=r"net\.pt is a program, and there is no sandbox") as caught:
        SandboxedProgram(save(Plain()))
    assert "--trust" in caught.value.remedy


def test_a_trusted_one_has_the_users_rights(save, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(launch, "sandbox_kind", lambda: "none")
    monkeypatch.setattr(script_program, "_announced", set())
    file = save(Writes(str(tmp_path / "written")))
    trust_file(file)
    assert runs(file)[0].shape == (4, 6, 6)
    assert (tmp_path / "written").stat().st_size == 4
    assert "with your rights" in capsys.readouterr().err


# -- whoever answers is not trusted ---------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0" * 7,
        b"\xff" * 8,
        (10).to_bytes(8, "big") + b"no message",
        encode_frame(Done()),
        encode_frame(Tensors([Tensor((2, 2), b"\0" * 12)])),
        encode_frame(Tensors([Tensor((-1, 3), b"\0" * 12)])),
        encode_frame(Tensors([Tensor((1,) * 40, b"\0" * 4)])),
        encode_frame(Tensors([Tensor((1 << 40, 1 << 40, 0), b"")])),
    ],
)
def test_nonsense_is_one_clear_error(save, tmp_path, monkeypatch, answer):
    liar = tmp_path / "liar.py"
    ready = encode_frame(Ready())
    liar.write_text(
        "import os, time\n"
        f"os.write(1, {ready!r})\nos.read(0, 1)\n"
        f"os.write(1, {answer!r})\nos.close(1)\ntime.sleep(60)"
    )
    file = save(Plain())
    trust_file(file)
    monkeypatch.setattr(script_program, "CHILD", liar)
    began = time.monotonic()
    with pytest.raises(ConversionFailed, match=r"net\.pt"):
        runs(file)
    assert time.monotonic() - began < 50, "it is not waited for"
