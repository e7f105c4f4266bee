"""Checkpoints in every wrapping, and what a file may not make the reader do."""

import contextlib
import os
import pickle
import subprocess
import sys
import types
import zipfile
from itertools import accumulate
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from piyard.convert.own.matching import match_network
from piyard.core.errors import ConversionFailed
from piyard.core.mirror import find_in_mirror
from piyard.models.checkpoint import name_state
from piyard.models.definition import load_model
from piyard.models.networks import build_network
from tests.conversion.drawn_weights import drawn
from tests.support.checkpoints import read_checkpoint


@pytest.fixture
def tiny():
    """A state_dict of two tensors and a counter."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    network.load_state_dict(drawn(network.state_dict()))
    return dict(network.state_dict())


def same(state, expected):
    assert state.keys() == expected.keys()
    return all(torch.equal(values, expected[name].float()) for name, values in state.items())


def momentum():
    """What SGD saves: tensors without names."""
    return {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}


def saved(what, tmp_path):
    torch.save(what, tmp_path / "own.pth")
    return tmp_path / "own.pth"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"model": state, "optimizer": {"lr": 0.1}, "start_epoch": 300},
        lambda state: {"state_dict": state, "meta": {"config": "text", "epoch": 420}},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {"ema": state, "model": {"other": torch.zeros(1)}},
        lambda state: {"ema": None, "model": state},
        lambda state: {f"module.{name}": values for name, values in state.items()},
        lambda state: {"model": {f"module.{name}": values for name, values in state.items()}},
        lambda state: {"epoch": 3, "model_state_dict": state, "optimizer_state_dict": momentum()},
        lambda state: {"params": {"x": torch.ones(1)}, "params_ema": state},
        lambda state: {"ema": {"module": state, "updates": 7}, "model": {"a": torch.ones(1)}},
        lambda state: {"student": state, "optimizer": momentum(), "lr": 0.1},
        lambda state: {**state, "epoch": 3, "name": "net"},
        lambda state: {f"_orig_mod.{name}": values for name, values in state.items()},
        lambda state: {f"module._orig_mod.{name}": values for name, values in state.items()},
    ],
    ids="bare megvii mmpose twice ema no-ema parallel parallel-inside tutorial basicsr rtdetr "
    "only-one beside compiled compiled-parallel".split(),
)
def test_a_state_dict_however_it_is_wrapped(tiny, wrap, tmp_path):
    assert same(read_checkpoint(saved(wrap(tiny), tmp_path)), tiny)


def test_a_prefix_that_only_some_names_have_stays(tiny, tmp_path):
    mixed = {"module.a": tiny["0.weight"], "b": tiny["0.bias"]}
    assert read_checkpoint(saved(mixed, tmp_path)).keys() == mixed.keys()


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_halves_become_floats_and_counters_stay(tiny, half, tmp_path):
    small = {name: v.to(half) if v.is_floating_point() else v for name, v in tiny.items()}
    read = read_checkpoint(saved(small, tmp_path))
    assert read["0.weight"].dtype == torch.float32
    assert read["1.num_batches_tracked"].dtype == torch.int64
    assert torch.equal(read["0.weight"], tiny["0.weight"].to(half).float())


def test_weights_of_several_networks_are_refused_by_their_names(tiny, tmp_path):
    path = saved({"generator": tiny, "discriminator": tiny}, tmp_path)
    with pytest.raises(ConversionFailed, match="several networks: generator, discriminator"):
        read_checkpoint(path)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantised_weights_are_refused_as_that(tmp_path):
    state = {"a.weight": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)}
    for stored in (state, {"a.weight": torch.ones(3, dtype=torch.int8)}):
        with pytest.raises(ConversionFailed, match="holds quantised weights"):
            read_checkpoint(saved(stored, tmp_path))


def test_pruned_weights_are_those_under_the_mask(tmp_path):
    from torch.nn.utils import prune

    layer = nn.Linear(4, 3)
    prune.random_unstructured(layer, "weight", amount=5)
    expected = layer.weight.detach().clone()
    state = read_checkpoint(saved(layer.state_dict(), tmp_path))
    assert state.keys() == {"weight", "bias"}
    assert torch.equal(state["weight"], expected)


class AttributeDict(dict[str, object]):
    pass


def test_notes_of_any_class_are_no_reason_to_refuse(tiny, tmp_path):
    """Arguments, paths, dates, schedulers: stood in for, whatever they are."""
    import argparse
    import datetime as dt

    import numpy as np

    layer = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    notes = {
        "args": argparse.Namespace(lr=0.1, data=Path("/data")),
        "hyper_parameters": AttributeDict(width=np.int64(3), betas=(0.9, 0.99)),
        "date": dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc),
        "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 3).state_dict(),
        "optimizer_states": [optimizer.state_dict()],
        "best": np.float32(0.9),
        "pytorch-lightning_version": "2.5.0",
    }
    assert same(read_checkpoint(saved({**notes, "state_dict": tiny}, tmp_path)), tiny)


def test_a_whole_module_of_somebodys_own_class(tmp_path):
    """torch.save(network): its class is not needed, and not looked up."""
    network = Whole()
    expected = {name: values.clone() for name, values in network.state_dict().items()}
    path = saved(network, tmp_path)
    assert same(read_checkpoint(path), expected)


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU())
        self.table = nn.ModuleDict({"a": nn.Embedding(3, 2)})


def test_what_mmengine_notes_beside_the_weights(tiny, tmp_path):
    """Arrays of numpy in a checkpoint's notes are no reason to refuse it."""
    import numpy as np

    notes = {"sigmas": np.ones(17, np.float32), "best": np.float64(68.5)}
    assert same(read_checkpoint(saved({"meta": notes, "state_dict": tiny}, tmp_path)), tiny)


@pytest.mark.parametrize("name", ["yolov8_n", "yolov8_s"])
def test_an_official_file_of_ultralytics_loads_unchanged(name, mirror):
    read = load_model(name)
    path = checkpoint_of(read)
    state = read_checkpoint(path)
    network = build_network(read.network, 80)
    assert state.keys() == network.state_dict().keys()
    network.load_state_dict(state, strict=True)
    assert "ultralytics" not in sys.modules


def checkpoint_of(read) -> Path:
    path = find_in_mirror(read.weights[0].sha256)
    assert path
    return path


FOREIGN = ["ultralytics.nn.modules.conv.Conv", "ultralytics.nn.tasks.DetectionModel"]


@pytest.fixture
def foreign(monkeypatch):
    """Classes under Ultralytics' names, for writing; what reads them does without."""
    result = {}
    for name in FOREIGN:
        at, _, last = name.rpartition(".")
        for package in accumulate(at.split("."), "{}.{}".format):
            monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
        single = type(last, (nn.Module,), {"__module__": at})
        setattr(sys.modules[at], last, single)
        result[last] = single
    return result


def a_module(foreign):
    conv = foreign["Conv"]()
    conv.conv, conv.bn = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
    conv.register_buffer("scratch", torch.ones(3), persistent=False)
    conv.register_parameter("nothing", None)
    whole = foreign["DetectionModel"]()
    whole.model = nn.Sequential(conv, nn.Upsample(scale_factor=2))
    whole.load_state_dict(drawn(whole.state_dict()))
    return whole


def forget():
    for name in [name for name in sys.modules if name.partition(".")[0] == "ultralytics"]:
        del sys.modules[name]


@pytest.mark.parametrize("key", ["ema", "model"])
def test_a_pickled_module_is_read_without_its_classes(foreign, key, tmp_path):
    whole = a_module(foreign)
    expected = {name: values.clone() for name, values in whole.state_dict().items()}
    path = saved({"ema": None, key: whole.half(), "epoch": -1}, tmp_path)
    forget()
    read = read_checkpoint(path)
    assert read.keys() == expected.keys()
    assert "model.0.conv.weight" in read
    for name, values in read.items():
        torch.testing.assert_close(values, expected[name], rtol=1e-3, atol=1e-3)
        assert not values.requires_grad


class Trap:
    def __init__(self, call, *arguments):
        self.call, self.given = call, arguments

    def __reduce__(self):
        return self.call, self.given


@pytest.mark.parametrize(
    ("trap", "named"),
    [
        (lambda mark: Trap(Path.touch, mark), "calls what it has looked up"),
        (lambda mark: Trap(eval, f"open({str(mark)!r}, 'w')"), "eval"),
        (lambda mark: Trap(exec, f"open({str(mark)!r}, 'w')"), "exec"),
        (lambda mark: Trap(__import__, "os"), "__import__"),
        (lambda mark: Trap(os.system, f"touch {mark}"), "posix.system"),
        (
            lambda mark: Trap(subprocess.check_call, ["touch", str(mark)]),
            "commands.check_call",
        ),  # in Python 2's words
    ],
)
@pytest.mark.parametrize("wrap", [lambda each: each, lambda each: {"model": each}])
def test_no_code_runs(trap, named, wrap, tmp_path):
    mark = tmp_path / "sprung"
    path = saved(wrap(trap(mark)), tmp_path)
    with pytest.raises(ConversionFailed, match="safe to load") as caught:
        read_checkpoint(path)
    assert named in caught.value.what
    assert not mark.exists()


class Told:
    """Pickled as an object of a listed class with that state."""

    def __init__(self, of, state):
        self.of, self.state = of, state

    def __reduce__(self):
        return self.of, ({"__class__": "given"},), self.state


@pytest.mark.parametrize(
    "state",
    [
        {"__class__": "x", "__reduce__": "y"},
        {"_modules": 7, "_parameters": "text", "_buffers": [1]},
        {"_parameters": {"a": "no tensor", 3: torch.zeros(1)}},
        {"_modules": {"a": torch.zeros(1)}},
        ["no", "dictionary"],
    ],
)
def test_a_listed_class_does_nothing_with_what_it_is_given(state, foreign, tmp_path):
    path = saved({"model": Told(foreign["Conv"], state)}, tmp_path)
    with pytest.raises(ConversionFailed, match="no weights by name"):
        read_checkpoint(path)


def test_a_module_within_itself_ends(foreign, tmp_path):
    whole = a_module(foreign)
    expected = set(whole.state_dict())
    whole.model[0]._modules["again"] = whole
    assert read_checkpoint(saved({"model": whole}, tmp_path)).keys() == expected


@pytest.mark.parametrize(
    "what",
    [
        [torch.zeros(3)],
        torch.zeros(3),
        {},
        {"model": {}},
        {"model": "text"},
        {"epoch": 3},
        {1: torch.zeros(3)},
        {"state_dict": {"a": 1.0}},
    ],
)
def test_what_holds_no_weights_says_so(what, tmp_path):
    with pytest.raises(ConversionFailed, match=r"own\.pth holds no weights by name"):
        read_checkpoint(saved(what, tmp_path))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a pointer of Git LFS"),
        (b"\n<!DOCTYPE html><html>", "is a page of the web"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
        (
            b"hello\n" * 9,
            r"is not a file that torch.save has written: it begins with b'hello\\nhello\\n'",
        ),
        (b"PK\x03\x04 cut", "is only a part of a file"),
        (pickle.dumps({"a": 1}, protocol=4), "cannot be read as what torch.save writes"),
    ],
)
def test_what_is_no_file_of_torch_is_refused_as_what_it_is(content, why, tmp_path):
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(ConversionFailed, match=rf"net\.pth {why}") as caught:
        read_checkpoint(tmp_path / "net.pth")
    assert "weights_only" not in str(caught.value)


def test_a_cut_file_and_a_foreign_archive_are_refused_as_that(tiny, tmp_path):
    content = saved(tiny, tmp_path).read_bytes()
    (tmp_path / "own.pth").write_bytes(content[:-100])
    with pytest.raises(ConversionFailed, match="only a part of a file"):
        read_checkpoint(tmp_path / "own.pth")
    with zipfile.ZipFile(tmp_path / "own.pth", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ConversionFailed, match="a zip archive that torch") as caught:
        read_checkpoint(tmp_path / "own.pth")
    assert caught.value.evidence == "config.json"


@settings(max_examples=60, deadline=None)
@example(cut=0.0, flips=[(0.016241861561907548, 6)])
@given(cut=st.floats(0, 0.999), flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255))))
def test_damaged_files_are_refused_or_read_but_never_a_traceback(cut, flips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    path = saved({"model": {"a.weight": torch.arange(6.0), "b": torch.ones(2)}}, folder)
    content = bytearray(path.read_bytes())
    for at, by in flips:
        content[int(at * (len(content) - 1))] ^= by
    path.write_bytes(content[: int(len(content) * (1 - cut))])
    with contextlib.suppress(ConversionFailed):
        read = read_checkpoint(path)
        assert all(isinstance(values, torch.Tensor) for values in read.values())


def test_looking_something_up_gives_nothing_to_call(foreign, tmp_path):
    """Ultralytics' heads for masks and poses hold a method of a listed class."""
    whole = a_module(foreign)
    foreign["Conv"].forward = lambda self, x: x
    expected = set(whole.state_dict())
    whole.model[0].detect = Trap(getattr, foreign["Conv"], "forward")
    path = saved({"model": whole}, tmp_path)
    forget()
    assert read_checkpoint(path).keys() == expected


def test_the_branch_of_yolo26_that_only_training_computes_is_left_out(tmp_path):
    network = build_network("yolo26n", 3)
    state = drawn(network.state_dict())
    other = {
        name.replace("one2one_", ""): values for name, values in state.items() if "one2one" in name
    }
    file = saved({"model": {name: each.half() for name, each in (state | other).items()}}, tmp_path)
    match = match_network(file, classes=3, keypoints=17)
    assert match.network == "yolo26n"
    assert "only training computes" in match.lines[0]
    named = name_state(read_checkpoint(file), network.state_dict())
    network.load_state_dict(named, strict=True)
