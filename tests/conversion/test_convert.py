"""From a model's name to files that are proved right, and what happens when they are not."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest

from piyard.convert import attempts, conversion_key
from piyard.convert.conversion_key import key_inputs
from piyard.convert.conversions import find_conversion
from piyard.convert.converter import convert_model
from piyard.convert.lowering import BIN_FILE, PARAM_FILE, lower_program
from piyard.convert.model_files import choose_files
from piyard.convert.ncnn_net import load_net, run_net
from piyard.core import paths, store
from piyard.core.errors import ConversionFailed, DownloadFailed, NotSetUp
from piyard.core.paths import ROOT
from piyard.core.store import key_of
from piyard.models import definition
from piyard.models.definition import load_model
from piyard.models.synthetic import random_tensor
from piyard.run.plan import combine_jobs, convert_models, prepare_jobs
from piyard.vision.schema import BytetrackConfig
from tests.support import plans
from tests.support.originals import compute_reference_logits

HEX = set("0123456789abcdef")


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def shelf():
    return paths.artifacts() / "conversions"


def kept_logs():
    return {path.name for path in (paths.artifacts() / "logs").rglob("*") if path.is_file()}


@pytest.fixture
def own_artifacts(tmp_path, monkeypatch):
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "artifacts"))
    return tmp_path / "artifacts"


# -- with trained weights ----------------------------------------------------------------------


def test_everything_a_board_needs_is_there(subject):
    folder = subject.conversion.folder
    assert set(files(folder)) >= {
        "model.ncnn.param",
        "model.ncnn.bin",
        "labels.txt",
        "reference/out0.f32",
        "manifest.json",
        "model.pnnx.log",
        "model.pnnx.param",
    }
    assert not list(folder.glob("*.pt"))
    labels = load_model(subject.model).labels_file
    assert (folder / "labels.txt").read_bytes() == labels.read_bytes()


def test_manifest_says_which_weights_were_used(subject):
    weights = subject.conversion.manifest.weights
    assert subject.conversion.has_real_weights
    assert weights.kind == "file"
    assert len(weights.sha256) == 64
    assert set(weights.sha256) <= HEX
    assert weights.licence
    assert weights.dataset
    assert weights.source


def test_params_and_macs_are_those_others_publish(real):
    published = load_model("squeezenet1_1").published
    assert real.manifest.params == published.params
    assert real.manifest.macs == pytest.approx(published.macs, rel=0.01)


def test_proof_covers_pictures_noise_and_strided_memory(real):
    for way, least in (("fp32", 0.9999), ("fp16", 0.999)):
        kinds = real.manifest.proof[way].inputs
        assert {"pictures", "noise", "strided"} <= set(kinds)
        assert kinds["pictures"]["out0"].count >= 10
        assert all(kind["out0"].cosine >= least for kind in kinds.values())
    fp32 = real.manifest.proof["fp32"].inputs.values()
    assert all(kind["out0"].same_top == kind["out0"].count for kind in fp32)


def test_reference_is_torchs_output_for_the_boards_stimulus(subject):
    real = subject.conversion
    got = run_net(load_net(real.folder), random_tensor(real.input_shape))
    assert list(got) == real.outputs == ["out0"]
    assert real.reference("out0").dtype == np.dtype("<f4")
    assert np.allclose(real.reference("out0"), got["out0"], atol=1e-3)
    assert (real.folder / "reference" / "out0.f32").stat().st_size == 4 * got["out0"].size


def test_manifest_speaks_of_no_path_and_no_time(subject):
    text = (subject.conversion.folder / "manifest.json").read_text()
    assert str(ROOT) not in text
    assert "/tmp" not in text
    assert not {"seconds", "time", "date", "host"} & set(json.loads(text))


def test_a_second_call_converts_nothing_and_loads_nothing_heavy(real, mirror):
    heavy = ["torch", "torchvision", "ncnn", "pnnx", "numpy", "PIL", "requests"]
    program = (
        "import sys; from piyard.convert.converter import convert_model;"
        "from piyard.models.definition import load_model;"
        "c = convert_model(load_model('squeezenet1_1'));"
        f"print(c.key, c.fresh, [m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == f"{real.key} False []"


def test_reference_logits_name_the_picture(real, mirror):
    """A tench, a hammerhead: the first pictures of the set are right with these weights."""
    folder = mirror / "data" / "imagenet500"
    rows = [line.split(",")[:2] for line in (folder / "labels.csv").read_text().splitlines()[1:41]]
    logits = compute_reference_logits(real, [folder / "images" / name for name, _ in rows])
    assert logits.shape == (40, 1000)
    right = logits.argmax(axis=1) == [int(index) for _, index in rows]
    assert right.sum() >= 16, "published top-1 is 58 %"


def test_weights_agree_with_their_authors_own_test_vector(real, mirror):
    """The output that whoever published the weights got for an input of theirs."""
    folder = mirror / "weights" / "classification" / "squeezenet_test_vector"
    inputs, expected = (np.load(folder / f"{name}_0.npy") for name in ("input", "output"))
    got = run_net(load_net(real.folder), inputs[0].astype(np.float32))["out0"]
    assert np.allclose(got, expected.ravel(), atol=1e-3)


# -- with random weights -----------------------------------------------------------------------


def test_random_weights_are_said_to_be_random(small):
    conversion = convert_model(load_model(small()), random_weights=True)
    assert not conversion.has_real_weights
    assert conversion.manifest.weights.kind == "random"
    assert isinstance(conversion.manifest.weights.seed, int)


@pytest.mark.parametrize("network", ["squeezenet1_1", "resnet18", "mobilenet_v2"])
def test_random_weights_tell_inputs_apart(small, network):
    """A net whose outputs are all alike proves nothing about its conversion."""
    conversion = convert_model(
        load_model(
            small(network, **{"network: squeezenet1_1": f"network: {network}"})
            if network != "squeezenet1_1"
            else small()
        ),
        random_weights=True,
    )
    net = load_net(conversion.folder)
    inputs = [random_tensor(conversion.input_shape, seed) * 2 for seed in range(30, 38)]
    outputs = np.stack([run_net(net, values)["out0"] for values in inputs])
    assert 1e-3 < np.abs(outputs).max() < 1e3
    assert outputs.std(axis=0).max() > 0.02 * np.abs(outputs).max()


def test_the_same_inputs_give_the_same_bytes(small, tmp_path, monkeypatch):
    name = small()
    result = []
    for place in ("one", "two"):
        monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / place))
        result.append(convert_model(load_model(name), random_weights=True))
    assert result[0].fresh
    assert result[1].fresh
    assert result[0].key == result[1].key
    assert files(result[0].folder) == files(result[1].folder)


def test_another_process_with_other_threads_gives_the_same_bytes(small, tmp_path, monkeypatch):
    conversion = convert_model(load_model(small()), random_weights=True)
    program = (
        "from pathlib import Path; from piyard.models import definition;"
        "from piyard.convert.converter import convert_model;"
        "from piyard.models.definition import load_model;"
        f"definition.MODELS_FOLDER = Path({str(definition.MODELS_FOLDER)!r});"
        "import torch; torch.rand(3); torch.set_num_threads(1);"
        "print(convert_model(load_model('small'), random_weights=True).folder)"
    )
    monkeypatch.setenv("PIYARD_ARTIFACTS", str(tmp_path / "other"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    there = Path(done.stdout.strip())
    for file in ("model.ncnn.param", "model.ncnn.bin"):
        assert (there / file).read_bytes() == (conversion.folder / file).read_bytes()


def test_two_at_once_convert_once(small, own_artifacts):
    name = small()
    with ThreadPoolExecutor(2) as pool:
        conversion = list(
            pool.map(lambda _: convert_model(load_model(name), random_weights=True), range(2))
        )
    assert sorted(each.fresh for each in conversion) == [False, True]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("network: squeezenet1_1", "network: squeezenet1_0"),
        ("cosine_fp32: 0.9999", "cosine_fp32: 0.9998"),
        ("[3, 64, 64]", "[3, 65, 65]"),
    ],
)
def test_another_input_is_another_key(small, own_artifacts, monkeypatch, old, new):
    keys = []
    monkeypatch.setattr(store, "get_or_make", lambda _shelf, key, _make: keys.append(key))
    more = {old: new} | ({"crop: 64": "crop: 65"} if "65" in new else {})
    for changes in ({}, more):
        name = small(f"m{len(keys)}", **changes)
        with pytest.raises(TypeError):
            convert_model(load_model(name), random_weights=True)
    assert len(set(keys)) == 2


# -- failures ----------------------------------------------------------------------------------


def test_no_weights_to_be_had(offline, own_artifacts):
    with pytest.raises(DownloadFailed) as caught:
        convert_model(load_model("resnet18"))
    assert "PIYARD_MIRROR" in caught.value.remedy
    assert "--random-weights" in caught.value.remedy
    assert not list(shelf().glob("*")) if shelf().is_dir() else True


@pytest.fixture
def meddle(monkeypatch):
    """Has something done to each net's files once pnnx has written them."""
    real_lower = lower_program

    def meddle(change):
        def lower(program, shapes, at, *, half, **more):
            layers = real_lower(program, shapes, at, half=half, **more)
            change(at, half)
            return layers

        monkeypatch.setattr(attempts, "lower_program", lower)

    return meddle


def tamper(at, half):
    if not half:
        weights = np.fromfile(at / BIN_FILE, np.float32)
        weights[2000:2400] = weights[2000:2400][::-1]
        weights.tofile(at / BIN_FILE)


def open_a_relu(at, _half):
    param = at / PARAM_FILE
    param.write_text(param.read_text().replace("9=1", "9=0", 1))


def truncate(at, _half):
    with (at / BIN_FILE).open("r+b") as stream:
        stream.truncate((at / BIN_FILE).stat().st_size // 2)


def test_a_tampered_bin_fails_the_proof_and_is_refused(small, own_artifacts, meddle):
    meddle(tamper)
    with pytest.raises(ConversionFailed, match="out0") as caught:
        convert_model(load_model(small()), random_weights=True)
    assert "0.9999" in str(caught.value)
    assert caught.value.code == 6
    (kept,) = shelf().iterdir()
    assert str(kept) in caught.value.remedy
    assert "--force" in caught.value.remedy


def test_what_failed_its_proof_is_used_by_force_only(small, own_artifacts, meddle):
    meddle(tamper)
    name = small()
    forced = convert_model(load_model(name), random_weights=True, force=True)
    assert forced.failed
    with pytest.raises(ConversionFailed):
        convert_model(load_model(name), random_weights=True)
    again = convert_model(load_model(name), random_weights=True, force=True)
    assert (again.fresh, again.failed) == (False, forced.failed)
    with pytest.raises(ConversionFailed):
        find_conversion(load_model(name), forced.key).require_proved()


def ruin_halves(at, half):
    """No part of the net bears them."""
    if half:
        weights = np.fromfile(at / BIN_FILE, np.float32)
        weights[100:] = weights[100:][::-1]
        weights.tofile(at / BIN_FILE)


@pytest.fixture
def in_halves_only(small, own_artifacts, meddle):
    meddle(ruin_halves)
    return convert_model(load_model(small()), random_weights=True, force=True)


def test_what_only_fp16_is_too_little_for_is_used_in_fp32(in_halves_only):
    assert in_halves_only.failed
    assert in_halves_only.require_proved(["fp32"]) is in_halves_only
    for precisions in ([], ["fp16"], ["fp32", "fp16"], ["bf16"]):
        with pytest.raises(ConversionFailed, match="fp16") as caught:
            in_halves_only.require_proved(precisions)
        assert "--precision fp32" in caught.value.remedy


def test_what_is_wrong_in_fp32_is_used_in_no_precision(small, own_artifacts, meddle):
    meddle(tamper)
    conversion = convert_model(load_model(small()), random_weights=True, force=True)
    for precision in ("fp32", "fp16"):
        with pytest.raises(ConversionFailed) as caught:
            conversion.require_proved([precision])
        assert "--precision" not in caught.value.remedy


@pytest.fixture
def prepare(monkeypatch, small):
    """``pipeline.prepare`` without a build, for one job in that precision."""

    def prepared(precision, **how):
        monkeypatch.setattr("piyard.build.builder.build_nnrun", lambda _: None)
        jobs = combine_jobs(
            [plans.board("pi5-a")], [load_model("small")], precisions=[precision], threads=[1]
        )
        return prepare_jobs(jobs, random_weights=True, **how)

    return prepared


def test_a_job_is_refused_by_what_its_own_precision_proved(in_halves_only, prepare, capsys):
    assert prepare("fp32").conversions["small"].key == in_halves_only.key
    with pytest.raises(ConversionFailed):
        prepare("fp16")
    prepare("fp16", force=True)
    assert capsys.readouterr().err.count("FAILED its proof, used by --force") == 1


@pytest.mark.parametrize(
    ("precisions", "fits"), [(["fp32"], True), (["fp16"], False), (["fp32", "fp16"], False)]
)
def test_all_precisions_of_a_model_must_be_proved(in_halves_only, precisions, fits):
    computed = [(load_model("small"), precision) for precision in precisions]
    if fits:
        conversion = convert_models(computed, random_weights=True)
        assert conversion["small"].key == in_halves_only.key
        return
    with pytest.raises(ConversionFailed):
        convert_models(computed, random_weights=True)


def test_a_tracker_and_a_task_are_part_of_what_was_proved(small):
    read = load_model(small())
    files = choose_files(read, random_weights=True)
    keys = {
        key_of(key_inputs(each, files, "trace"))
        for each in (
            read,
            msgspec.structs.replace(read, tracker=BytetrackConfig(), task="track"),
            msgspec.structs.replace(read, tracker=BytetrackConfig(new=0.7), task="track"),
        )
    }
    assert len(keys) == 3


def test_swapped_layers_fail_the_proof(small, own_artifacts, meddle):
    """Sizes fit, ncnn loads it, and the answers are wrong."""
    meddle(open_a_relu)
    with pytest.raises(ConversionFailed, match="fp32") as caught:
        convert_model(load_model(small()), random_weights=True)
    first = next(line for line in caught.value.evidence.splitlines() if "first diverging" in line)
    assert "Pooling" in first
    assert "behind 'features.0'" in first


def test_a_truncated_bin_is_refused(small, own_artifacts, meddle):
    meddle(truncate)
    with pytest.raises(ConversionFailed, match="cannot load") as caught:
        convert_model(load_model(small()), random_weights=True)
    assert list(shelf().iterdir()) == []
    assert "cut" in caught.value.remedy
    assert {"model.pnnx.log", "model.ncnn.param"} <= kept_logs()


def test_a_missing_tool_says_how_to_get_it(small, monkeypatch):
    monkeypatch.setattr(conversion_key, "CONVERSION_TOOLS", ("torch", "no-such-tool"))
    with pytest.raises(NotSetUp, match="no-such-tool"):
        convert_model(load_model(small()), random_weights=True)
