"""A shot or a take as a dataset, read by nerfstudio's rules and looked at from other frames."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from backend import media
from backend.bundle import shot_hashes
from backend.errors import Cancelled, DepthshotError, ExportError, TakeError
from backend.export.dataset import export_dataset
from backend.export.nerfstudio import DatasetSettings
from backend.wire import Still, read_shot, write_shot
from tests.analytic import render
from tests.backend.exports import SOURCE_ADDRESS, quiet, write_take
from tests.backend.nerfstudio_reader import read_dataset, read_ply, seen_at, world_points
from tests.backends import ROOT

SIZE = (96, 64)


def take_of(folder, shot, *, scene="room", **changes):
    """Write a take of true pictures of an analytic shot."""
    described = read_shot(shot)
    whole, capture = shot_hashes(shot)
    pictures = [
        media.to_8bit(render(camera, described.size, scene=scene, samples=2)[0])
        for camera in described.cameras
    ]
    known = {
        "shot_sha256": whole,
        "capture_sha256": capture,
        "cameras": described.cameras,
        "start": described.frame_start,
    }
    return write_take(folder, size=described.size, pictures=pictures, **(known | changes))


def export(source, target, *, depth="png", masks="none", points=True, **options):
    settings = DatasetSettings(depth=depth, masks=masks, points=points)
    return export_dataset(source, target, settings=settings, **(quiet() | options))


@pytest.fixture
def shot(make_shot):
    return make_shot(frames=4, size=SIZE, step=0.1, frame_start=7)


@pytest.fixture
def take(shot, tmp_path):
    take_of(tmp_path / "take", shot)
    return tmp_path / "take"


@pytest.mark.parametrize("depth", ["png", "npy"])
def test_a_surface_seen_in_one_frame_lies_where_the_others_see_it(shot, take, tmp_path, depth):
    done = export(take, tmp_path / "set", shot=shot, depth=depth)
    assert (done.pictures, done.warnings) == (4, ())
    frames = read_dataset(tmp_path / "set")
    assert [frame.name for frame in frames] == [f"images/{n:04d}.png" for n in range(7, 11)]
    first, last = frames[0], frames[-1]
    pixels, expected = seen_at(last, world_points(first))
    inside = ((pixels > 1) & (pixels < np.array(SIZE) - 1)).all(-1)
    at = pixels[inside].astype(np.float32)
    assert inside.mean() > 0.8
    # The move is seen: without it the very same pixels would not fit.
    assert np.abs(at[:, 0] - np.nonzero(inside)[1] - 0.5).mean() > 2
    # Along a plane the inverse of depth is linear in the pixel, so that is what is interpolated.
    error = np.abs(sampled(1 / last.depth, at) * expected[inside] - 1)
    same = error < 0.01  # the rest is hidden there, or beside an edge
    assert same.mean() > 0.9
    assert np.median(error) < 0.0005
    colours = sampled(last.image.astype(float), at)[same] - first.image[inside][same]
    unmoved = np.abs(last.image.astype(float) - first.image).mean()
    assert np.abs(colours).mean() < 2 < unmoved / 4


def sampled(values, at):
    """Return an image's values at (N, 2) pixels, interpolated; centres lie at one half."""
    u, v = (at.T - 0.5)[..., None]
    return cv2.remap(values.astype(np.float32), u, v, cv2.INTER_LINEAR)[:, 0]


def test_depth_is_metres_to_half_a_millimetre_and_npy_exact(shot, take, tmp_path):
    for kind, most in (("png", 0.00051), ("npy", 1e-6)):
        export(take, tmp_path / kind, shot=shot, depth=kind)
        for frame, camera in zip(
            read_dataset(tmp_path / kind), read_shot(shot).cameras, strict=True
        ):
            true = render(camera, SIZE)[1]
            assert np.abs(frame.depth - true).max() < most
            assert np.array_equal(frame.pose, camera.transform_matrix)


def test_pictures_are_the_take_s_own_files_with_their_marks(shot, take, tmp_path):
    export(take, tmp_path / "set", shot=shot)
    for number in range(7, 11):
        name = f"{number:04d}.png"
        assert (tmp_path / "set/images" / name).read_bytes() == (
            take / "frames" / name
        ).read_bytes()
    said = json.loads((tmp_path / "set/transforms.json").read_text())["depthshot"]
    assert said["digital_source_type"] == SOURCE_ADDRESS
    assert (said["model"], said["frame_start"]) == ("draft abc123", 7)
    assert SOURCE_ADDRESS in said["comment"]


def test_sixteen_bits_become_eight(shot, take, tmp_path):
    values = np.full((SIZE[1], SIZE[0], 3), 40_000, np.uint16)
    assert cv2.imwrite(str(take / "frames/0008.png"), values)
    done = export(take, tmp_path / "set", shot=shot)
    assert "'frames/0008.png' first; they were exported as they are now." in done.warnings[0]
    image = Image.open(tmp_path / "set/images/0008.png")
    assert (image.mode, set(np.unique(np.array(image)))) == ("RGB", {round(40_000 / 257)})


def test_nothing_hit_is_unknown(make_shot, tmp_path):
    shot = make_shot(frames=2, size=SIZE, scene="planes")
    take_of(tmp_path / "take", shot, scene="planes")
    export(tmp_path / "take", tmp_path / "set", shot=shot)
    frame = read_dataset(tmp_path / "set")[0]
    true = render(read_shot(shot).cameras[0], SIZE, scene="planes")[1]
    assert 0.1 < np.isinf(true).mean() < 0.9
    assert np.array_equal(frame.depth == 0, np.isinf(true))


def test_what_a_png_cannot_hold_is_unknown_and_said(shot, take, tmp_path):
    depth = np.full((SIZE[1], SIZE[0]), 2.0, np.float32)
    depth[:16] = 70.0
    depth[16:32] = 0.0101
    for path in (shot / "depth").iterdir():
        media.write_depth(path, depth)
    take = tmp_path / "other"
    take_of(take, shot)
    done = export(take, tmp_path / "set", shot=shot)
    assert [sentence.split(",")[0] for sentence in done.warnings] == [
        "25.0% of the depth lies beyond 65.5 m",
        "Things are as near as 10 mm",
    ]
    frame = read_dataset(tmp_path / "set")[0]
    assert [frame.depth[row, 0] for row in (0, 20, 40)] == [0, 0.01, 2]
    done = export(take, tmp_path / "exact", shot=shot, depth="npy")
    assert done.warnings == ()
    frame = read_dataset(tmp_path / "exact")[0]
    assert np.allclose([frame.depth[row, 0] for row in (0, 20, 40)], [70, 0.0101, 2])


def test_unknown_depth_of_one_frame_is_zeros_as_nerfstudio_wants_all_or_none(shot, tmp_path):
    described = read_shot(shot)
    paths = (None, *described.guide("depth")[1:])
    write_shot(replace(described, guides={"depth": paths}), shot)
    take_of(tmp_path / "take", shot)
    done = export(tmp_path / "take", tmp_path / "set", shot=shot)
    assert done.warnings[0].startswith("The depth of 1 pictures is not known")
    frames = read_dataset(tmp_path / "set")
    assert not frames[0].depth.any() and frames[1].depth.all()


def test_the_take_alone_has_its_cameras_and_no_depth(take, tmp_path):
    done = export(take, tmp_path / "set")
    assert done.warnings[0].startswith("The depth of these pictures is not known")
    assert all(frame.depth is None for frame in read_dataset(tmp_path / "set"))
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == [
        "images",
        "transforms.json",
    ]


def test_a_take_s_own_depth_is_used_where_its_shot_is_gone(take, shot, tmp_path):
    described = read_shot(shot)
    (take / "depth").mkdir()
    record = json.loads((take / "take.json").read_text())
    for number, path in enumerate(described.guide("depth"), 7):
        shutil.copyfile(shot / path, take / f"depth/{number:04d}.exr")
        record["files"][f"depth/{number:04d}.exr"] = "0" * 64
    (take / "take.json").write_text(json.dumps(record))
    export(take, tmp_path / "set")
    true = render(described.cameras[0], SIZE)[1]
    assert np.abs(read_dataset(tmp_path / "set")[0].depth - true).max() < 0.00051


def test_the_shot_is_found_among_captures_whatever_its_words(take, shot, tmp_path):
    captures = tmp_path / "captures"
    for name, change in (("a", {}), ("b", {"prompt": "rain", "name": "x"})):
        shutil.copytree(shot, captures / name)
        write_shot(replace(read_shot(shot), **change), captures / name)
    # The same cameras, another scene: not this take's.
    far = np.full((SIZE[1], SIZE[0]), 9.0, np.float32)
    media.write_depth(captures / "a/depth/0007.exr", far)
    export(take, tmp_path / "set", captures=captures)
    true = render(read_shot(shot).cameras[0], SIZE)[1]
    assert np.abs(read_dataset(tmp_path / "set")[0].depth - true).max() < 0.00051
    shutil.rmtree(captures / "b")
    done = export(take, tmp_path / "without", captures=captures)
    assert done.warnings[0].startswith("The depth of these pictures is not known")


def test_another_take_s_shot_is_refused(take, make_shot, tmp_path):
    other = make_shot("other", frames=4, size=SIZE, step=0.2, frame_start=7)
    with pytest.raises(ExportError, match="made of another shot than"):
        export(take, tmp_path / "set", shot=other)


def test_masks_leave_out_whatever_was_generated_in_part(take, shot, tmp_path):
    export(take, tmp_path / "set", shot=shot, masks="seen")
    for frame in read_dataset(tmp_path / "set"):
        assert not frame.mask[:32, :48].any()
        assert not frame.mask[-1, -1]  # a share of 100 / 255
        assert frame.mask[:, 48:].sum() == 64 * 48 - 1


def test_points_lie_on_surfaces_with_their_colours(take, shot, tmp_path):
    export(take, tmp_path / "set", shot=shot)
    positions, colours = read_ply(tmp_path / "set/points.ply")
    frames = read_dataset(tmp_path / "set")
    assert len(positions) == 4 * SIZE[0] * SIZE[1]  # all of them: fewer than there may be
    first = world_points(frames[0]).reshape(-1, 3)
    distance = np.linalg.norm(first[:, None] - positions[None, :200], axis=-1)
    assert np.median(distance.min(axis=0)) < 0.03
    nearest = distance.argmin(axis=0)
    close = distance.min(axis=0) < 0.002
    assert close.any()
    shown = frames[0].image.reshape(-1, 3)[nearest[close]].astype(float)
    assert np.abs(shown - colours[:200][close]).mean() < 3


def test_a_shot_alone_gives_its_stills_at_their_own_size(make_shot, tmp_path):
    shot = make_shot(frames=3, size=SIZE, still_index=1, still_scale=2)
    done = export(shot, tmp_path / "set", masks="seen")
    assert done.pictures == 1
    assert "no masks" in done.warnings[0] and "--auto-scale-poses False" in done.warnings[1]
    (frame,) = read_dataset(tmp_path / "set")
    camera = read_shot(shot).cameras[1]
    assert frame.image.shape == (128, 192, 3)
    assert frame.intrinsics == (2 * camera.fl_x, 2 * camera.fl_y, 2 * camera.cx, 2 * camera.cy)
    assert np.array_equal(frame.depth[::2, ::2] > 0, np.ones((64, 96), bool))
    true = media.to_8bit(media.read_still(shot / "still.png").pixels)
    assert np.array_equal(frame.image, true)
    meta = json.loads((tmp_path / "set/transforms.json").read_text())
    assert meta["train_filenames"] == meta["val_filenames"] == ["images/still_0001.png"]


def test_several_stills_one_of_them_from_a_camera_of_its_own(make_shot, tmp_path):
    shot = make_shot(frames=3, size=SIZE)
    described = read_shot(shot)
    shutil.copyfile(shot / "still.png", shot / "second.png")
    own = replace(described.cameras[2], fl_x=70.0)
    stills = (*described.stills, Still("second.png", 2, own))
    write_shot(replace(described, stills=stills), shot)
    done = export(shot, tmp_path / "set")
    first, second = read_dataset(tmp_path / "set")
    assert first.depth.all() and not second.depth.any()
    assert second.intrinsics[0] == 70
    assert done.warnings == ("The depth of 1 pictures is not known; their depth files are all 0.",)


def test_the_stills_of_a_take(take, shot, tmp_path):
    shutil.copytree(shot, tmp_path / "captures/one")
    export(take, tmp_path / "set", captures=tmp_path / "captures", stills=True)
    assert [frame.name for frame in read_dataset(tmp_path / "set")] == ["images/still_0001.png"]
    with pytest.raises(ExportError, match="not kept any more"):
        export(take, tmp_path / "b", captures=tmp_path / "nothing", stills=True)


def test_an_earlier_take_without_cameras_needs_its_shot(shot, tmp_path):
    take_of(tmp_path / "take", shot, cameras=(), capture_sha256="")
    with pytest.raises(ExportError, match="does not say where its frames are seen from"):
        export(tmp_path / "take", tmp_path / "set")
    export(tmp_path / "take", tmp_path / "set", shot=shot)
    assert len(read_dataset(tmp_path / "set")) == 4


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("nothing", ExportError, "neither a take .* nor a shot"),
        ("empty", ExportError, "neither a take .* nor a shot"),
        ("begun", TakeError, "'begun' is no finished take"),
    ],
)
def test_what_is_no_source_is_said(tmp_path, source, error, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "begun/frames").mkdir(parents=True)
    with pytest.raises(error, match=words):
        export(tmp_path / source, tmp_path / "set")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["begun", "empty"]


def test_a_folder_that_is_used_is_refused_and_an_empty_one_is_not(take, shot, tmp_path):
    (tmp_path / "set").mkdir()
    export(take, tmp_path / "set", shot=shot)
    with pytest.raises(ExportError, match="is there already"):
        export(take, tmp_path / "set", shot=shot)


def test_cancelled_or_failed_it_leaves_nothing(take, shot, tmp_path):
    (tmp_path / "out").mkdir()
    seen = []

    def count(done, total):
        seen.append(done)

    with pytest.raises(Cancelled):
        export(
            take, tmp_path / "out/set", shot=shot, on_progress=count,
            should_stop=lambda: len(seen) == 2,
        )  # fmt: skip
    assert seen == [0, 1]
    (take / "frames/0009.png").write_bytes(b"torn")
    with pytest.raises(DepthshotError, match=r"frames/0009\.png' is not a PNG file"):
        export(take, tmp_path / "out/set", shot=shot)
    assert list((tmp_path / "out").iterdir()) == []


def command(*arguments, prelude=""):
    program = f"import sys\n{prelude}\nfrom backend.cli import main\nsys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", program, "export", "dataset", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_line_says_how_many_and_what_to_know(take, shot, tmp_path):
    done = command(take, "--shot", shot, "--depth", "none", "--no-points", "--out", tmp_path / "a")
    assert (done.returncode, done.stdout) == (
        0,
        f"4 pictures with their cameras in {tmp_path / 'a'}\n",
    )
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "images",
        "transforms.json",
    ]
    done = command(shot, "--json", "--out", tmp_path / "b")
    kinds = [json.loads(line)["kind"] for line in done.stdout.splitlines()]
    assert (done.returncode, kinds[-2:]) == (0, ["warning", "done"])
    done = command(shot, "--json", "--out", tmp_path / "b")
    assert json.loads(done.stdout)["message"] == done.stderr.strip()
    assert (done.returncode, "is there already" in done.stderr) == (1, True)


def test_a_full_disk_is_said_and_leaves_nothing(take, shot, tmp_path):
    (tmp_path / "out").mkdir()
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 3_000))"
    done = command(take, "--shot", shot, "--out", tmp_path / "out/set", prelude=limit)
    assert done.returncode == 1
    assert "cannot be written (File too large); free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []
