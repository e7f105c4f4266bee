"""Proof on boards, with a board that is wrong where the test says so."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import yaml

from piyard import infer, model, paths, stimulus, work
from piyard.boardproof import bear, keep, proven, seat, table
from piyard.boardproof.question import question
from piyard.boardproof.seat import Answer, Seat
from piyard.commands.prove import judged
from piyard.conversion import Conversion, convert, masks
from piyard.errors import BoardCommandFailed, UnreadableLog, WrongInput
from piyard.evaluate.board import Watched
from piyard.evaluate.dataset import Film
from piyard.heads.agree import Agreement
from piyard.job import Bench, Job
from piyard.look.lines import Frame, Object
from piyard.proof import tracks
from piyard.work import Ready, Terms


class Host:
    """A line that is only asked for its name."""

    name = "pi5-a"


@pytest.fixture
def conversion(small):
    return convert.convert(small(), random_weights=True)


@pytest.fixture
def asked(conversion):
    return question(conversion)


@pytest.fixture
def place(conversion):
    job = Job(
        host="pi5-a", target="rpi5", model="small", precision="fp16", threads=1, bench=Bench()
    )
    nobody: Any = None
    host: Any = Host()
    ready = Ready(builds={"rpi5": nobody}, conversions={"small": conversion})
    return Seat(line=host, job=job, ready=ready, terms=Terms())


@pytest.fixture
def board(monkeypatch):
    """Computes as ncnn here, but for layers that lose something unless they have that mask."""

    def losing(bad, label="fp16"):
        asked_for = []

        def compute(at, stem, feed, *, every=False):
            folder = at.conversion.folder
            net, layers = infer.load(folder, stem), infer.layers(folder, stem)
            asked_for.append((stem, every, at.conversion.key))
            rng = np.random.default_rng(1)

            def of(inputs):
                known = dict(zip(infer.inputs(net), inputs, strict=True))
                for layer in layers:
                    if layer.type == "Input":
                        continue
                    made = infer.one(net, layer, [known[name] for name in layer.bottoms])
                    wanted, loss = bad.get(layer.name, bad.get(layer.type, (0, 0.0)))
                    if layer.number(masks.KEY) & wanted != wanted:
                        much = loss(inputs[0]) if callable(loss) else loss
                        made = {
                            name: value + much * _size(value) * rng.normal(size=value.shape)
                            for name, value in made.items()
                        }
                    known |= {name: value.astype(np.float32) for name, value in made.items()}
                return known if every else {name: known[name] for name in infer.outputs(net)}

            blobs = {kind: [of(one) for one in ones] for kind, ones in feed.items()}
            return Answer(run="a-run", precision=label, emulated=False, blobs=blobs)

        monkeypatch.setattr(seat, "compute", compute)
        monkeypatch.setattr(Ready, "release_of", lambda *_: "its own release")
        monkeypatch.setattr(work, "put", lambda *put: asked_for.append(put[1]))
        return asked_for

    return losing


def _size(values):
    return np.sqrt(np.square(values).mean())


def helped(place, asked):
    made = judged(place, asked, mask=True)
    assert made.masks
    return made


def convolutions(conversion):
    return [one.name for one in infer.layers(conversion.folder) if one.type == "Convolution"]


# -- what is asked -----------------------------------------------------------------------------


def test_a_few_inputs_of_each_kind_are_asked(asked):
    assert {kind: len(ones) for kind, ones in asked.fed["model"].items()} == {
        "drawn": 1,
        "noise": 1,
    }
    expected = asked.expected["model"]
    assert [outputs[0].shape for ones in expected.values() for outputs in ones] == [(10,)] * 2
    assert asked.pictures == ()


def test_real_pictures_are_asked_for_where_they_mean_something(real, mirror):
    told = question(real, pictures=2)
    assert len(told.pictures) == len(told.fed["model"]["pictures"]) == 2
    assert len(question(real, pictures=0).fed["model"]) == 2


# -- what comes out ----------------------------------------------------------------------------


def test_a_board_that_computes_right_passes(place, asked, board):
    runs = board({})
    made = proven.prove(place, asked)
    assert made.failed == []
    assert made.figures["noise"]["out0"].cosine > 0.999999
    assert runs == [("model", False, place.conversion.key)]


def test_the_first_layer_that_goes_wrong_is_named(place, asked, board, conversion):
    wrong = convolutions(conversion)[4]
    board({wrong: (masks.NO_FP16_ARITHMETIC, 0.5)})
    made = judged(place, asked, mask=False)
    assert len(made.failed) == 2
    assert "cosine" in made.failed[0]
    assert "is below 0.999" in made.failed[0]
    (where,) = made.where
    assert f"first diverging layer: Convolution '{wrong}'" in where
    assert made.masks == {}


def test_fp32_on_a_board_has_the_stricter_bar(place, asked, board, conversion):
    last = infer.layers(conversion.folder)[-1].name
    board({last: (masks.NO_FP16_ARITHMETIC, 0.03)}, label="fp32")
    assert "is below 0.9999" in proven.prove(place, asked).failed[0]
    board({last: (masks.NO_FP16_ARITHMETIC, 0.03)}, label="fp16")
    assert proven.prove(place, asked).failed == []


def test_the_input_that_goes_wrong_tells_where(place, asked, board, conversion):
    """A layer may bear noise and not a picture: it loses more of what is small there."""
    name = convolutions(conversion)[4]
    fed = asked.fed["model"]
    calm = float(np.abs(fed["noise"][0][0]).max())
    board(
        {name: (masks.NO_FP16_ARITHMETIC, lambda given: 0.5 if np.abs(given).max() > calm else 0)}
    )
    made = judged(place, asked, mask=False)
    assert [line.partition(", output")[0] for line in made.failed] == ["fp16, drawn"]
    assert f"Convolution '{name}'" in made.where[0]
    assert {row[3]: row[-1] for row in table.rows([made])} == {
        "drawn": "DIFFERS",
        "noise": "passed",
    }


def test_rows_and_lines(place, asked, board):
    board({})
    made = proven.prove(place, asked)
    rows = table.rows([made])
    assert {len(row) for row in rows} == {len(table.COLUMNS)}
    assert rows[0][:5] == ["small", "pi5-a", "fp16", "drawn", "out0"]
    assert {row[-1] for row in rows} == {"passed"}
    assert table.lines(made) == []
    failed = msgspec.structs.replace(made, failed=["a"], where=["b"], masks={"c": 1, "d": 1})
    assert table.lines(failed) == [
        "small masks are not enough: c, d",
        "✗ small on pi5-a, a",
        "✗ small on pi5-a, b",
    ]
    assert table.lines(msgspec.structs.replace(made, masks={"c": 1})) == ["small needs masks: c"]


# -- what is followed --------------------------------------------------------------------------


def walking(step: float) -> list[Frame]:
    """One object, so many pixels further in each frame."""
    corners = [(10 + step * t, 10, 30 + step * t, 60) for t in range(4)]
    return [
        Frame(
            name=str(t), width=99, height=99, objects=[Object(class_=0, score=0.9, box=box, id=5)]
        )
        for t, box in enumerate(corners)
    ]


@pytest.fixture
def followed(monkeypatch, asked):
    """Asked for a clip, and a board that follows what it is told."""
    film = Film(pictures=[Path("0.jpg")], truth=None, ordered=True)
    clip = tracks.Clip(film=film, wanted=[frame.objects for frame in walking(1)])

    def by_board(frames):
        shown = []

        def watch(_line, job, _ready, _terms, rules, film):
            shown.append((job.precision, rules.title, film))
            return Watched(frames=frames, labels={"fp16"})

        monkeypatch.setattr("piyard.evaluate.board.watch", watch)
        return shown

    return msgspec.structs.replace(asked, clip=clip), by_board


def test_tracks_are_compared_on_the_board(place, followed, board):
    asked, by_board = followed
    board({})
    shown = by_board(walking(1))
    made = proven.prove(place, asked)
    assert made.failed == []
    assert shown == [("fp16", asked.model.title, asked.clip.film)]
    assert table.rows([made])[-1][3:] == ["clip", "tracks", "4", "", "", "passed"]
    assert table.lines(made)[0].startswith("small fp16 on pi5-a, clip: 4 objects wanted, 4 found")


def test_tracks_that_go_astray_are_no_matter_of_masks(place, followed, board):
    asked, by_board = followed
    runs = board({})
    by_board(walking(12))
    made = judged(place, asked, mask=True)
    (line,) = made.failed
    assert line.startswith("fp16, clip, tracks: ")
    assert table.rows([made])[-1][-1] == "DIFFERS"
    assert len(runs) == 1, "no layer is looked at: each computes what it should"


def test_what_is_not_asked_is_not_followed(place, asked, board, followed):
    board({})
    shown = followed[1](walking(1))
    made = proven.prove(place, asked)
    assert (made.followed, made.lost, shown) == (None, "", [])


@pytest.mark.parametrize(("pictures", "frames"), [(1, tracks.FRAMES), (0, None)])
def test_the_question_has_the_originals_tracks(mirror, pictures, frames, monkeypatch):
    monkeypatch.setattr(Conversion, "has_real_weights", True)
    made = Conversion(name="nanotrack", key="k", folder=Path(), manifest={}, made=False)
    clip = question(made, pictures).clip
    assert (clip and len(clip.wanted)) == frames


# -- what helps --------------------------------------------------------------------------------


def test_the_layer_that_loses_too_much_is_masked(place, asked, board, conversion):
    wrong = convolutions(conversion)[4]
    board({wrong: (masks.NO_FP16_ARITHMETIC, 0.5)})
    made = helped(place, asked)
    assert made.failed == []
    assert made.masks == {wrong: masks.NO_FP16_ARITHMETIC}


def test_a_layer_that_must_not_store_halves_either_gets_the_larger_mask(
    place, asked, board, conversion
):
    wrong = convolutions(conversion)[2]
    board({wrong: (masks.FP32, 0.5)})
    assert helped(place, asked).masks == {wrong: masks.FP32}


def test_where_many_layers_lose_a_whole_type_is_masked(place, asked, board):
    board({"Convolution": (masks.NO_FP16_ARITHMETIC, 0.03)})
    made = helped(place, asked)
    assert made.masks == {"Convolution": masks.NO_FP16_ARITHMETIC}
    assert made.failed == []


def test_what_no_mask_helps_stays_as_it_is(place, asked, board):
    runs = board({"Pooling": (4, 0.5)})
    made = judged(place, asked, mask=True)
    assert made.failed
    assert made.masks == {}
    assert runs[-1] == ["its own release"], "the board is left with a conversion that was tried"


def test_a_net_that_bears_halves_needs_nothing(place, asked, board):
    runs = board({})
    assert judged(place, asked, mask=True).masks == {}
    assert len(runs) == 1


@pytest.mark.parametrize(("precision", "label"), [("fp32", "fp32"), ("bf16", "bf16-storage")])
def test_no_mask_is_looked_for_where_none_can_help(
    place, asked, board, conversion, precision, label
):
    runs = board({convolutions(conversion)[4]: (masks.NO_FP16_ARITHMETIC, 0.5)}, label=label)
    job = msgspec.structs.replace(place.job, precision=precision)
    made = judged(msgspec.structs.replace(place, job=job), asked, mask=True)
    assert made.failed
    assert [every for _, every, _ in runs] == [False, True]


def test_trials_are_judged_by_what_was_computed(place, asked, board, conversion):
    """A board without halves computes fp32 whatever it was asked, and has the stricter bar."""
    last = infer.layers(conversion.folder)[-1].name
    board({last: (masks.NO_FP16_ARITHMETIC, 0.03)}, label="fp32 (no fp16 on this CPU)")
    made = judged(place, asked, mask=True)
    assert "is below 0.9999" in made.failed[0]
    assert made.masks == {}


def test_what_is_found_counts_on_boards_too(place, asked, board, conversion, monkeypatch):
    """The raw outputs are alike, and what they mean is not, unless one layer is masked."""
    name = convolutions(conversion)[4]
    told = asked.fed["model"] | {"pictures": asked.fed["model"]["noise"]}
    expected = asked.expected["model"] | {"pictures": asked.expected["model"]["noise"]}
    shown = msgspec.structs.replace(
        asked, fed={"model": told}, expected={"model": expected}, pictures=[Path("a picture")]
    )

    def agreement(_model, _pictures, want, met):
        apart = float(np.abs(np.asarray(met[0][0]).ravel() - want[0][0].ravel()).max())
        return Agreement(wanted=1, got=1, matched=1, score=0.9 if apart > 1e-4 else 0.0)

    monkeypatch.setattr(sys.modules["piyard.proof.prove"], "agreement", agreement)
    board({name: (masks.NO_FP16_ARITHMETIC, 0.002)})
    before = proven.prove(place, shown)
    (line,) = before.failed
    assert "pictures, what is found: a score differs" in line
    rows = {row[4]: row[-1] for row in table.rows([before])}
    assert rows == {"out0": "passed", "what is found": "DIFFERS"}
    assert judged(place, shown, mask=True).masks == {name: masks.NO_FP16_ARITHMETIC}


@pytest.mark.parametrize("fault", [BoardCommandFailed, UnreadableLog])
def test_a_closer_look_that_fails_does_not_take_the_proof_along(
    place, asked, board, conversion, monkeypatch, fault
):
    board({convolutions(conversion)[4]: (masks.NO_FP16_ARITHMETIC, 0.5)})
    compute = seat.compute

    def too_much(*what, every=False):
        if every:
            raise fault("no memory left")
        return compute(*what)

    monkeypatch.setattr(seat, "compute", too_much)
    made = judged(place, asked, mask=True)
    assert len(made.failed) == 2
    assert made.where == ["where it begins is not known: no memory left"]


def test_a_trial_that_fails_does_not_take_the_proof_along(
    place, asked, board, conversion, monkeypatch, capsys
):
    board({convolutions(conversion)[4]: (masks.NO_FP16_ARITHMETIC, 0.5)})
    compute = seat.compute

    def once(at, *what, every=False):
        if at.conversion.key != conversion.key:
            raise BoardCommandFailed("the board is full")
        return compute(at, *what, every=every)

    monkeypatch.setattr(seat, "compute", once)
    made = judged(place, asked, mask=True)
    assert made.failed
    assert made.where
    assert "which masks help is not known: the board is full" in capsys.readouterr().err


def test_what_is_tried_leaves_nothing(place, asked, board, conversion):
    board({convolutions(conversion)[4]: (masks.NO_FP16_ARITHMETIC, 0.5)})
    before = sorted(paths.artifacts().rglob("*"))
    helped(place, asked)
    assert sorted(paths.artifacts().rglob("*")) == before


def test_the_masked_conversion_stands_beside_the_other(conversion, tmp_path):
    name = convolutions(conversion)[0]
    there = bear.masked(conversion, {name: 1}, tmp_path)
    assert there.folder != conversion.folder
    told = {layer.name: layer.number(masks.KEY) for layer in infer.layers(there.folder)}
    assert told[name] == 1
    assert sum(told.values()) == 1
    assert (there.folder / "model.ncnn.bin").samefile(conversion.folder / "model.ncnn.bin")
    assert bear.masked(conversion, {}, tmp_path) is conversion
    assert bear.masked(conversion, {name: 1}, tmp_path).key == there.key


def test_where_files_cannot_be_shared_they_are_copied(conversion, monkeypatch, tmp_path):
    def refuse(*_):
        raise OSError

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    there = bear.masked(conversion, {convolutions(conversion)[1]: 1}, tmp_path)
    copied, first = there.folder / "model.ncnn.bin", conversion.folder / "model.ncnn.bin"
    assert not copied.samefile(first)
    assert copied.read_bytes() == first.read_bytes()


# -- what is kept ------------------------------------------------------------------------------


@pytest.fixture
def needing(place, asked, board, conversion):
    wrong = convolutions(conversion)[4]
    board({wrong: (masks.NO_FP16_ARITHMETIC, 0.5)})
    return wrong, helped(place, asked)


def test_masks_go_into_the_yaml_and_the_next_conversion(needing, conversion):
    name, made = needing
    (path,) = keep.keep([made])
    assert model.load("small").masks == {"random": {name: 1}}
    before = path.read_text()
    assert before.startswith("title:")
    again = convert.convert("small", random_weights=True)
    assert again.key != conversion.key
    assert again.manifest["masks"] == {name: 1}
    layer = next(one for one in infer.layers(again.folder) if one.name == name)
    assert layer.number(masks.KEY) == 1
    keep.keep([made])
    assert path.read_text() == before


def test_by_another_route_names_may_mean_other_layers(needing):
    _, made = needing
    keep.keep([made])
    other = convert.convert("small", random_weights=True, route="script")
    assert other.manifest["masks"] == {}
    assert not any(one.number(masks.KEY) for one in infer.layers(other.folder))


def test_masks_of_other_weights_stay_and_do_not_count(needing, conversion, small):
    name, made = needing
    path = model.FOLDER / "small.yaml"
    path.write_text(path.read_text() + 'masks:\n  "0123abcd":\n    Convolution: 3\n# the end\n')
    assert convert.convert("small", random_weights=True).key == conversion.key
    keep.keep([made])
    told = yaml.safe_load(path.read_text())["masks"]
    assert told == {"0123abcd": {"Convolution": 3}, "random": {name: 1}}
    assert "# the end" in path.read_text()


def test_boards_that_need_different_layers_add_up(needing):
    name, made = needing
    other = msgspec.structs.replace(made, masks={"conv_0": 1, name: masks.FP32})
    keep.keep([made, other])
    assert model.load("small").masks == {"random": {name: 3, "conv_0": 1}}


NAMES = {"0_22": 1, "no": 3, "*x": 1, "a: b": 1, "@y": 3, "head:conv_1": 1, '"': 1, "123": 1}
BEFORE = "title: a\ninput: [3, 4, 4] # sizes\n"
BLOCKS = {
    "none": "",
    "without an end": "masks:\n  random:\n    conv_9: 1",
    "with blank lines": "masks:\n\n  random:\n\n    conv_9: 1\n\n",
    "with comments": "masks: # found\n# why\n  random:\n# because\n    conv_9: 1\n",
    "in one line": "masks: {random: {conv_9: 1}}\n",
    "in braces": "masks: {\n  random: {conv_9: 1},\n}\n",
    "empty": "masks: {}",
}


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("after", ["", "# the end\n", "noise: [0, 1]\n# the end\n"])
def test_whatever_stands_there_is_replaced_and_the_rest_stays(block, after):
    end = "" if BLOCKS[block].endswith("\n") or not after else "\n"
    text = keep.with_masks(BEFORE + BLOCKS[block] + end + after, "mine", {"0123abcd": NAMES})
    told = yaml.safe_load(text)
    assert told.pop("masks") == {"0123abcd": NAMES}
    assert told == yaml.safe_load(BEFORE + after)
    assert text.startswith(BEFORE)
    assert ("# the end" in text) == ("# the end" in after)
    assert keep.with_masks(text, "mine", {"0123abcd": NAMES}) == text


def test_what_still_fails_is_not_kept(place, asked, board):
    board({"Pooling": (4, 0.5)})
    failed = proven.prove(place, asked)
    assert keep.keep([failed]) == []
    assert model.load("small").masks == {}


@pytest.mark.parametrize("name", ["conv_99", "Deconvolution", "head:conv_1"])
def test_a_mask_for_no_layer_is_one_line(small, name):
    path = model.FOLDER / f"{small()}.yaml"
    path.write_text(path.read_text() + f"masks:\n  random:\n    {name}: 1\n")
    with pytest.raises(WrongInput, match=f"no layer '{name}' to mask"):
        convert.convert("small", random_weights=True)


def test_every_blob_of_a_run_is_read_in_its_shape(tmp_path):
    values = stimulus.tensor((2, 3))
    (tmp_path / "outputs").mkdir()
    values.tofile(tmp_path / "outputs" / "0.out0.f32")
    line = seat.Output(index=0, name="out0", file="outputs/0.out0.f32", shape=[2, 3])
    np.testing.assert_array_equal(seat._blob(tmp_path, line), values)
