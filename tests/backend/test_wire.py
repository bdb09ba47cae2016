"""shot.json, read strictly: every wrong value is one sentence that names its field."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest

from backend.errors import ShotError, TakeError
from backend.take import Take, read_take, verify_take
from backend.wire import MAX_FRAMES, MAX_GUIDES, Camera, Shot, Still, read_shot, write_shot

IDENTITY = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
HUGE = 10**400


def camera() -> dict:
    return {"fl_x": 60, "fl_y": 61.5, "cx": 32, "cy": 20,
            "transform_matrix": copy.deepcopy(IDENTITY)}  # fmt: skip


def content(frames: int = 3) -> dict:
    return {
        "protocol": 1,
        "name": "A shot",
        "size": [64, 40],
        "fps": 23.976,
        "frame_start": 1001,
        "stills": [{"image": "still.png", "index": 0}],
        "cameras": [camera() for _ in range(frames)],
        "guides": {"depth": [f"depth/{i}.exr" for i in range(frames)]},
        "prompt": "a courtyard",
        "negative_prompt": "",
        "seed": 7,
    }


def changed(path: str, value: object) -> dict:
    """Return a shot's content with one value replaced; `path` is like "cameras.0.fl_x"."""
    whole = content()
    *above, last = path.split(".")
    at: object = whole
    for part in above:
        at = at[int(part) if part.isdigit() else part]
    at[int(last) if last.isdigit() else last] = value
    return whole


def test_a_shot_comes_back_equal():
    shot = Shot.from_json(content())
    assert Shot.from_json(json.loads(json.dumps(shot.to_json()))) == shot
    assert shot.frames == 3
    assert shot.frame(2) == 1003
    assert shot.files() == ("still.png", "depth/0.exr", "depth/1.exr", "depth/2.exr")
    assert shot.guide("flow") == (None, None, None)


def test_words_and_seed_may_be_left_out():
    value = content()
    for name in ("prompt", "negative_prompt", "seed", "guides"):
        del value[name]
    shot = Shot.from_json(value)
    assert (shot.prompt, shot.negative_prompt, shot.seed, dict(shot.guides)) == ("", "", 0, {})


@pytest.mark.parametrize(
    "name", ["protocol", "name", "size", "fps", "frame_start", "stills", "cameras"]
)
def test_a_missing_field_is_named(name):
    value = content()
    del value[name]
    with pytest.raises(ShotError, match=f"'{name}'"):
        Shot.from_json(value)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("protocol", 2, "'protocol' is 2"),
        ("protocol", True, "'protocol'"),
        ("protocol", 1.0, "'protocol'"),
        ("name", 3, "'name'"),
        ("name", "x" * 20_001, "'name'"),
        ("name", "\ud800", "'name'"),
        ("size", [64], "'size'"),
        ("size", [64, 40, 3], "'size'"),
        ("size", [64.0, 40], "'width'"),
        ("size", [True, 40], "'width'"),
        ("size", [64, 0], "'height'"),
        ("size", [8193, 40], "'width'"),
        ("size", [8000, 8000], "40 megapixels"),
        ("fps", 0, "'fps'"),
        ("fps", -24, "'fps'"),
        ("fps", HUGE, "'fps'"),
        ("fps", "24", "'fps'"),
        ("fps", 1e300, "'fps'"),
        ("frame_start", 1.5, "'frame_start'"),
        ("frame_start", HUGE, "'frame_start'"),
        ("seed", -1, "'seed'"),
        ("seed", 2**63, "'seed'"),
        ("stills", [], "'stills'"),
        ("stills", {}, "'stills'"),
        ("stills.0", "still.png", r"stills\[0\]"),
        ("stills.0.index", 3, r"stills\[0\]: 'index'"),
        ("stills.0.index", -1, r"stills\[0\]: 'index'"),
        ("stills.0.index", False, r"stills\[0\]: 'index'"),
        ("stills.0.image", None, r"stills\[0\]: 'image'"),
        ("stills.0.camera", {}, r"stills\[0\]: 'camera'"),
        ("cameras", [], "'cameras'"),
        ("cameras", [camera()] * (MAX_FRAMES + 1), "'cameras'"),
        ("cameras.1", 5, r"cameras\[1\]"),
        ("cameras.1.fl_x", 0, r"cameras\[1\]: 'fl_x'"),
        ("cameras.1.fl_x", 1e-300, r"cameras\[1\]: 'fl_x'"),
        ("cameras.1.fl_y", float("inf"), r"cameras\[1\]: 'fl_y'"),
        ("cameras.1.cx", float("nan"), r"cameras\[1\]: 'cx'"),
        ("cameras.1.cy", 1e200, r"cameras\[1\]: 'cy'"),
        ("cameras.2.transform_matrix", IDENTITY[:3], r"cameras\[2\]: 'transform_matrix'"),
        ("cameras.2.transform_matrix.1", [0, 1, 0], r"cameras\[2\]: 'transform_matrix'"),
        ("cameras.2.transform_matrix.1.3", 1e30, r"cameras\[2\]: transform_matrix\[1\]: '3'"),
        ("cameras.2.transform_matrix.1.3", "0", r"cameras\[2\]: transform_matrix\[1\]: '3'"),
        ("cameras.2.transform_matrix.0.0", 2, "rigid"),
        ("cameras.2.transform_matrix.0.0", -1, "rigid"),
        ("cameras.2.transform_matrix.0.1", 0.01, "rigid"),
        ("cameras.2.transform_matrix.3.0", 1, "rigid"),
        ("guides", [], "'guides'"),
        ("guides", {f"g{i}": [] for i in range(MAX_GUIDES + 1)}, "'guides'"),
        ("guides.depth", ["a.exr", "b.exr"], r"guides\.depth has 2 entries.*3 frames"),
        ("guides.depth.1", 5, r"guides\.depth\[1\]"),
        ("guides.depth", {"0": "a.exr"}, "'depth'"),
        ("frame_step", 2, "'frame_step' is not supported"),
        ("time_remap", [100, 200], "'time_remap' is not supported"),
    ],
)
def test_a_wrong_value_is_named(path, value, named):
    with pytest.raises(ShotError, match=named) as caught:
        Shot.from_json(changed(path, value))
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", "../still.png", "a/../../b.png", "./a.png", "a//b.png", "a/", "C:/a.png",
        "C:a.png", "a\\b.png", "\\\\host\\a", "", "a\0b.png", "a\nb.png", "nul", "aux.png", "..",
        "dir./a", "a /b.png", "a:b", "a?.png", "x" * 300, "é" * 200, "\ud800.png", "a/" * 600 + "b",
        ".", "a/" * 32 + "b",
    ],
)  # fmt: skip
def test_paths_that_leave_the_folder_or_no_system_keeps(path):
    with pytest.raises(ShotError, match=r"stills\[0\]: 'image' must be"):
        Shot.from_json(changed("stills.0.image", path))
    with pytest.raises(ShotError, match=r"guides\.depth\[2\] must be"):
        Shot.from_json(changed("guides.depth.2", path))


def test_a_long_value_is_quoted_in_short():
    with pytest.raises(ShotError) as caught:
        Shot.from_json(changed("cameras", {str(i): [i] * 1000 for i in range(1000)}))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("path", ["still.png", "a/b/c.exr", "Bild äöü.png", "..a.png", "日本.png"])
def test_ordinary_paths(path):
    assert Shot.from_json(changed("stills.0.image", path)).stills[0].image == path


@pytest.mark.parametrize(
    ("first", "second"),
    [("a.exr", "A.exr"), ("é.exr", "e\u0301.exr"), ("a", "a/b"), ("shot.json", "b"),
     ("Shot.json", "b"), ("shot.json/a", "b")],
)  # fmt: skip
def test_paths_that_cannot_lie_side_by_side(first, second):
    with pytest.raises(ShotError, match="rename one"):
        Shot.from_json(changed("guides.depth", [first, second, None]))


def test_two_guides_may_share_a_file():
    shot = Shot.from_json(changed("guides.flow", ["depth/0.exr", None, None]))
    assert shot.files().count("depth/0.exr") == 1


def test_two_stills_at_one_frame():
    stills = [{"image": "a.png", "index": 1}, {"image": "b.png", "index": 1}]
    with pytest.raises(ShotError, match=r"stills\[1\] is at index 1, where stills\[0\]"):
        Shot.from_json(changed("stills", stills))
    stills[1]["camera"] = camera()
    assert Shot.from_json(changed("stills", stills)).stills[1].camera is not None


@pytest.mark.parametrize("value", [5, None, "x", [1, 2, 3], ["../a"] * 3, ["a.exr"], [None, {}, 1]])
def test_a_guide_of_an_unknown_name_is_ignored_when_odd(value):
    assert set(Shot.from_json(changed("guides.normal", value)).guides) == {"depth"}
    with pytest.raises(ShotError):
        Shot.from_json(changed("guides.flow", value))


def test_a_guide_of_an_unknown_name_comes_along_when_in_order():
    shot = Shot.from_json(changed("guides.normal", ["n.exr", None, "m.exr"]))
    assert shot.guides["normal"] == ("n.exr", None, "m.exr")
    assert "n.exr" in shot.files()
    assert "n.exr" not in shot.required()


@pytest.mark.parametrize("value", [None, 5, [], "shot", True])
def test_what_is_no_object(value):
    with pytest.raises(ShotError, match=r"shot\.json must be a JSON object"):
        Shot.from_json(value)


class TestFolder:
    def test_written_and_read(self, make_shot):
        folder = make_shot(frames=2)
        shot = read_shot(folder)
        write_shot(shot, folder)
        assert read_shot(folder) == shot

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "not valid JSON: it goes wrong in line 1, at character 1; write it again"),
            ('{\n"fps" 24}', "in line 2, at character 7;"),
            ('{"fps": NaN}', "NaN is not a number there"),
            ('{"fps": 1, "fps": 2}', "twice"),
            ("[" * 100_000, "nested too deeply"),
            ('{"protocol": ' + "[" * 900 + "]" * 900 + "}", "'protocol' is"),
            ('{"fps": ' + "9" * 5000 + "}", "too many digits"),
            ("[]", "must be a JSON object"),
        ],
    )
    def test_bad_json(self, tmp_path, text, said):
        (tmp_path / "shot.json").write_text(text)
        with pytest.raises(ShotError, match=said):
            read_shot(tmp_path)

    def test_bytes_that_are_no_text(self, tmp_path):
        (tmp_path / "shot.json").write_bytes(b'{"name": "\xff\xfe"}')
        with pytest.raises(ShotError, match=r"not valid JSON: it is not text in UTF-8"):
            read_shot(tmp_path)

    def test_no_shot_at_all(self, tmp_path):
        with pytest.raises(ShotError) as caught:
            read_shot(tmp_path)
        assert str(caught.value) == f"'{tmp_path}' is no shot: it has no shot.json."

    def test_the_folder_around_a_shot(self, make_shot):
        folder = make_shot(frames=1)
        folder = folder.rename(folder.with_name("shot"))
        with pytest.raises(ShotError) as caught:
            read_shot(folder.parent)
        assert str(caught.value) == (
            f"'{folder.parent}' is no shot: it has no shot.json; did you mean '{folder}'?"
        )

    def test_a_missing_frame_file(self, make_shot):
        folder = make_shot(frames=2)
        (folder / "depth/0002.exr").unlink()
        with pytest.raises(
            ShotError, match=r"^Frame 2, guides\.depth\[1\] names 'depth/0002\.exr', but"
        ):
            read_shot(folder)

    def test_a_missing_still(self, make_shot):
        folder = make_shot(frames=1)
        (folder / "still.png").unlink()
        with pytest.raises(ShotError, match=r"stills\[0\] names 'still\.png', but that file is"):
            read_shot(folder)

    def test_a_missing_file_of_an_unknown_guide(self, make_shot):
        folder = make_shot(frames=1)
        shot = read_shot(folder)
        (folder / "n.exr").touch()
        write_shot(replace(shot, guides={**shot.guides, "normal": ("n.exr",)}), folder)
        assert "normal" in read_shot(folder).guides
        (folder / "n.exr").unlink()
        assert read_shot(folder) == shot

    @pytest.mark.parametrize("target", ["still.png", "/etc/hostname", "loop"])
    def test_links(self, make_shot, target):
        folder = make_shot(frames=1)
        (folder / "still.png").rename(folder / "real.png")
        target = {"still.png": "real.png", "loop": "still.png"}.get(target, target)
        (folder / "still.png").symlink_to(target)
        with pytest.raises(ShotError, match=r"still\.png"):
            read_shot(folder)

    def test_a_linked_folder(self, make_shot, tmp_path):
        folder = make_shot(frames=1)
        (folder / "depth").rename(tmp_path / "elsewhere")
        (folder / "depth").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        with pytest.raises(ShotError, match="which is a link"):
            read_shot(folder)

    def test_writing_checks_as_a_reader_would(self, tmp_path):
        row = (0.0, 0.0, 0.0, 0.0)
        flat = Camera(1.0, 1.0, 0.0, 0.0, (row, row, row, row))
        shot = Shot("x", (4, 4), 24.0, 1, (Still("a.png", 0),), (flat,))
        with pytest.raises(ShotError, match="rigid"):
            write_shot(shot, tmp_path)
        assert not (tmp_path / "shot.json").exists()


class TestTake:
    def take(self) -> Take:
        return Take(
            shot_sha256="ab" * 32, name="A shot", model="projection", revision="1",
            settings={"fill": True}, seed=3, frame_start=-1, frames=2, size=(64, 40), fps=24.0,
            digital_source_type="algorithmicMedia", generated=(0.0, 0.25),
            files={"frames/-001.png": "00" * 32}, warnings=("Said.",), details={"device": "cpu"},
        )  # fmt: skip

    def test_a_take_comes_back_equal(self):
        assert Take.from_json(json.loads(json.dumps(self.take().to_json()))) == self.take()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("protocol", 2), ("protocol", True), ("frames", 0), ("size", [4]), ("size", [4, "4"]),
            ("generated", [0.0]), ("generated", [0.0, 2]), ("generated", [0.0, "1"]),
            ("warnings", [3]), ("files", {"../x": "00"}), ("files", {"/etc/passwd": "00"}),
            ("files", {"a": 3}), ("files", []), ("settings", 3), ("seed", 1.0), ("fps", "24"),
            ("cameras", [{}]), ("cameras", [{}, {}]), ("cameras", 3), ("capture_sha256", 3),
        ],
    )  # fmt: skip
    def test_a_wrong_value(self, name, value):
        with pytest.raises(TakeError, match=name if name != "protocol" else "another version"):
            Take.from_json({**self.take().to_json(), name: value})

    def test_each_folder_without_a_take_is_told_its_own_way_out(self, tmp_path: Path):
        (tmp_path / "begun/frames").mkdir(parents=True)
        (tmp_path / "other").mkdir()
        (tmp_path / "whole/frames").mkdir(parents=True)
        (tmp_path / "whole/take.json").write_text(json.dumps(self.take().to_json()))
        (tmp_path / "torn").mkdir()
        (tmp_path / "torn/take.json").write_text("{")
        (tmp_path / "short").mkdir()
        (tmp_path / "short/take.json").write_text('{"protocol": 1}')
        (tmp_path / "new").mkdir()
        (tmp_path / "new/take.json").write_text('{"protocol": 99}')
        back = "bring take.json back from a backup, or generate the take again."
        flaw = "take.json is not valid JSON: it goes wrong in line 1, at character 2"
        sentences = {
            "gone": f"The take's folder '{tmp_path / 'gone'}' is not there; bring it back, or"
            " choose the folder where it is now.",
            "begun": "'begun' is no finished take: it has no take.json: it was lost, or its"
            " generation was interrupted; bring it back from a backup, choose Fetch Take if it is"
            " offered, or generate it again.",
            "other": "'other' is no take; choose the folder that has take.json in it.",
            "whole/frames": "'frames' is a part of the take 'whole'; choose that folder.",
            "torn": f"The record of the take 'torn' is damaged ({flaw}); {back}",
            "short": "The record of the take 'short' is damaged (take.json: the field 'frames' is"
            f" missing); {back}",
            "new": "take.json was written by another version of Depthshot; generate it again.",
        }
        for name, sentence in sentences.items():
            with pytest.raises(TakeError) as refused:
                read_take(tmp_path / name)
            assert str(refused.value) == sentence
        assert read_take(tmp_path / "whole") == self.take()

    def test_a_lost_and_a_changed_file(self, tmp_path: Path):
        (tmp_path / "take.json").write_text(json.dumps(self.take().to_json()))
        with pytest.raises(TakeError, match=r"lost 'frames/-001\.png'"):
            verify_take(tmp_path)
        (tmp_path / "frames").mkdir()
        (tmp_path / "frames/-001.png").write_bytes(b"other")
        with pytest.raises(TakeError, match="changed"):
            verify_take(tmp_path)
