"""The bars of the draft, and the way from shots with a truth to the tables."""

import math
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from backend.locks import FileLock
from backend.models.draft.load import random_pipeline, save_pipeline
from backend.wire import read_shot
from benchmarks import draft, scenes
from benchmarks.bars import MEAN, SAMPLE, START, Numbers, Verdict, verdicts
from benchmarks.classical import (
    CHEAT,
    CLASSICAL,
    PROJECTION,
    PUSH_PULL,
    STILL,
    TELEA,
    classical_score,
    classical_take,
)
from benchmarks.depth import measure_depth
from benchmarks.pictures import MOST_BYTES, largest_hole, sheet, small_jpeg
from benchmarks.quality import measure_classical, measure_drafts
from benchmarks.scenes import CODE, ROOT, find_scenes
from benchmarks.tables import numbers_table, verdicts_table
from benchmarks.takes import read_frame
from tests.analytic import analytic_shot, write_exr, write_truth

SIZE = (128, 80)


def numbers(psnr=20.0, sharpness=0.5, full=5.0, half=5.0, e_warp=1.0, flicker=1.0):
    return Numbers(psnr, sharpness, full, half, e_warp, flicker)


def rows(**sample):
    """Fills of which each is the best at something else, and a draft that reaches every bar."""
    return {
        TELEA: numbers(psnr=15.0, full=3.0, half=4.0),
        PUSH_PULL: numbers(psnr=16.0, full=9.0, half=1.0),
        PROJECTION: numbers(psnr=18.0, full=8.0, half=9.0),
        CHEAT: numbers(psnr=15.5, full=2.0, half=2.9),
        MEAN: numbers(psnr=18.6),
        SAMPLE: numbers(**({"psnr": 16.5, "sharpness": 0.9, "full": 2.0, "half": 2.5} | sample)),
    }


def found(given, *, imported=False, unlocked=0):
    return {one.bar: one for one in verdicts(given, imported=imported, unlocked=unlocked)}


def test_a_draft_that_reaches_every_bar_is_told_so():
    verdict = found(rows())
    assert all(one.met for one in verdict.values())
    # The best fill is another for each number: projection's PSNR, Telea's patches.
    assert verdict["PSNR, one sample"].least == 16.0
    assert verdict["PSNR, `mean`"].least == 18.5
    assert verdict["patches / best classical fill's"].value == pytest.approx(2.5 / 4.0)
    assert verdict["patches / the cheat's"].value == pytest.approx(2.5 / 2.9)


@pytest.mark.parametrize(
    ("sample", "bar", "by"),
    [
        ({"psnr": 15.7}, "PSNR, one sample", 0.3),
        ({"sharpness": 0.6}, "sharpness, one sample", 0.1),
        ({"sharpness": 1.5}, "sharpness, one sample", 0.3),
        ({"half": 3.6}, "patches / best classical fill's", 0.2),
        ({"full": 2.9}, "patches / the cheat's", 0.0),
        ({"e_warp": 1.4}, "E_warp / truth's", 0.1),
        ({"flicker": 2.0}, "flicker / truth's", 0.5),
    ],
)
def test_a_bar_is_missed_by_what_is_lacking(sample, bar, by):
    verdict = found(rows(**sample))[bar]
    assert not verdict.met
    assert verdict.missed_by == pytest.approx(by)


def test_the_expectation_has_its_own_bar_and_so_have_locked_pixels():
    given = rows() | {MEAN: numbers(psnr=18.4)}
    verdict = found(given, unlocked=3)
    assert verdict["PSNR, `mean`"].missed_by == pytest.approx(0.1)
    assert verdict["locked pixels that differ"].missed_by == 3
    assert [name for name, one in verdict.items() if not one.met] == [
        "PSNR, `mean`",
        "locked pixels that differ",
    ]


def test_an_imported_still_is_not_asked_to_be_steady():
    assert set(found(rows())) - set(found(rows(), imported=True)) == {
        "E_warp / truth's",
        "flicker / truth's",
    }


def test_a_number_that_cannot_be_said_reaches_no_bar():
    assert not Verdict("x", math.nan, most=1.0).met


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    """Two scenes of the analytic room, one of which also comes as an imported still."""
    folder = tmp_path_factory.mktemp("shots")
    for name, scene in (("courtyard", "room"), ("sky", "planes")):
        shot = analytic_shot(folder / name / "shot", frames=6, size=SIZE, scene=scene, step=0.12)
        write_truth(folder / name / "truth", read_shot(shot), scene=scene)
        for frame in (2, 3, 4):
            (folder / name / "truth" / "frames" / f"{frame:04d}.png").unlink()
    return folder


def test_scenes_are_found_and_the_imported_still_is_measured_with_all_depth(shots, tmp_path):
    scenes = find_scenes(shots, tmp_path)
    assert [scene.name for scene in scenes] == ["courtyard", "courtyard-imported", "sky"]
    assert [scene.imported for scene in scenes] == [False, True, False]
    assert all(scene.indices == (4, 5) for scene in scenes)
    given = [read_shot(scene.shot).guide("depth").count(None) for scene in scenes]
    assert given == [0, 5, 0]
    assert scenes[0].share == scenes[1].share > 0.02
    assert find_scenes(shots, tmp_path, names=["sky"], most=1)[0].indices == (5,)
    with pytest.raises(ValueError, match="no scene castle; there are: courtyard, courtyard-"):
        find_scenes(shots, tmp_path, names=["castle"])
    with pytest.raises(ValueError, match="holds no scene"):
        find_scenes(tmp_path / "nothing", tmp_path)


def test_what_needs_no_learning_is_made_once_until_its_frames_change(shots, tmp_path):
    scenes = find_scenes(shots, tmp_path, names=["courtyard"])
    first = measure_classical(scenes)
    assert tuple(first[0].rows) == CLASSICAL
    assert first[0].rows[CHEAT].sharpness == pytest.approx(1.0, abs=0.03)
    assert first[0].rows[PROJECTION].psnr > first[0].rows[PUSH_PULL].psnr
    made = classical_take(scenes[0], TELEA).stat().st_mtime_ns
    assert measure_classical(find_scenes(shots, tmp_path, names=["courtyard"])) == first
    assert classical_take(scenes[0], TELEA).stat().st_mtime_ns == made
    fewer = find_scenes(shots, tmp_path, names=["courtyard"], most=1)
    assert fewer[0].cache != scenes[0].cache


def change_still(scene, root):
    still = scene.shot / "still.png"
    pixels = cv2.imread(str(still), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(still), np.iinfo(pixels.dtype).max - pixels)


def change_depth(scene, root):
    path = scene.shot / read_shot(scene.shot).guide("depth")[4]
    write_exr(path, scene.reader.depth(4)[..., None] * 1.5, ["Z"])


def change_code(scene, root):
    with (root / "backend" / "projection" / "fill.py").open("a") as code:
        code.write("# another line\n")


def add_code(scene, root):
    (root / "backend" / "projection" / "new.py").write_text("")


@pytest.mark.parametrize("change", [change_still, change_depth, change_code, add_code])
def test_a_kept_take_is_made_again_when_what_makes_it_changes(change, shots, tmp_path, monkeypatch):
    shutil.copytree(shots / "sky", tmp_path / "shots" / "sky")
    for file in (file for pattern in CODE for file in ROOT.glob(pattern)):
        copy = tmp_path / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    monkeypatch.setattr(scenes, "ROOT", tmp_path)

    def kept():
        return find_scenes(tmp_path / "shots", tmp_path / "cache")[0]

    first = classical_take(kept(), PROJECTION)
    made = first.stat().st_mtime_ns
    assert classical_take(kept(), PROJECTION) == first
    change(kept(), tmp_path)
    second = classical_take(kept(), PROJECTION)
    assert second != first
    assert first.stat().st_mtime_ns == made
    same = all(
        read_frame(first, frame).tobytes() == read_frame(second, frame).tobytes()
        for frame in (5, 6)
    )
    assert same == (change in (change_code, add_code))  # code that is only copied, not run


# Makes and scores takes, then says which of our own modules that has loaded.
USED = """
import sys
from pathlib import Path
from benchmarks.classical import CHEAT_ON_PROJECTION, TELEA, classical_score
from benchmarks.scenes import ROOT, find_scenes

scene = find_scenes(Path(sys.argv[1]), Path(sys.argv[2]), names=["sky"])[0]
for way in (CHEAT_ON_PROJECTION, TELEA):
    classical_score(scene, way)
for module in list(sys.modules.values()):
    file = getattr(module, "__file__", None)
    if file and "site-packages" not in file and Path(file).is_relative_to(ROOT):
        print(Path(file).relative_to(ROOT).as_posix())
"""


def test_all_code_that_makes_what_is_kept_counts(shots, tmp_path):
    command = [sys.executable, "-c", USED, str(shots), str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    used = set(ran.stdout.split())
    assert {"benchmarks/classical.py", "backend/projection/fill.py"} <= used
    hashed = {
        pattern: {file.relative_to(ROOT).as_posix() for file in ROOT.glob(pattern)}
        for pattern in CODE
    }
    assert sorted(used - set().union(*hashed.values())) == []
    assert [pattern for pattern, files in hashed.items() if not files & used] == []


def test_a_kept_file_is_whole_or_not_there(shots, tmp_path, monkeypatch):
    scene = find_scenes(shots, tmp_path, names=["sky"])[0]

    def torn(path, content):
        if path.suffix == ".part":
            WRITE(path, content[: len(content) // 2])
            raise Killed
        return WRITE(path, content)

    monkeypatch.setattr(Path, "write_bytes", torn)
    with pytest.raises(Killed):
        scene.unseen  # noqa: B018
    with pytest.raises(Killed):
        classical_score(scene, STILL)
    monkeypatch.undo()
    again = find_scenes(shots, tmp_path, names=["sky"])[0]
    assert set(again.unseen) == {4, 5}
    fresh = find_scenes(shots, tmp_path / "fresh", names=["sky"])[0]
    assert fresh.cache != again.cache
    assert classical_score(again, STILL) == classical_score(fresh, STILL)


class Killed(BaseException):
    """Ends the process, as far as what it had begun knows."""


WRITE = Path.write_bytes


def test_two_runs_do_not_share_a_cache(shots, tmp_path, monkeypatch, capsys):
    command = ["benchmarks.draft", "fills", str(shots), "--cache", str(tmp_path), "--scenes", "sky"]
    monkeypatch.setattr("sys.argv", command)
    with FileLock(tmp_path / "in-use.lock"):
        assert draft.main() == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "is in use by another Depthshot process" in said[0]
    assert [file.name for file in tmp_path.iterdir()] == ["in-use.lock"]
    assert draft.main() == 0
    assert "| sky (" in capsys.readouterr().out


def test_depth_of_holes_is_measured_for_imported_stills_alone(shots, tmp_path):
    scenes = find_scenes(shots, tmp_path / "cache")
    lines = measure_depth(scenes).splitlines()[2:]
    assert [line.split(" | ")[:2] for line in lines] == [
        ["| courtyard-imported", way] for way in ("a blur", "the planes go on")
    ]
    assert all(0 < float(line.split(" | ")[2].rstrip("%")) < 100 for line in lines)
    with pytest.raises(ValueError, match="none of these scenes is an imported still"):
        measure_depth([scene for scene in scenes if not scene.imported])


@pytest.mark.usefixtures("one_thread")
def test_a_draft_is_measured_from_its_weights_to_the_tables(shots, tmp_path):
    tiny = random_pipeline(3, channels=(8, 8), blocks=(1, 1))
    save_pipeline(tiny.network, tmp_path / "weights")
    names = ("courtyard", "courtyard-imported")
    scenes = find_scenes(shots, tmp_path / "cache", names=names)
    measured = measure_drafts(scenes, tmp_path / "weights")
    for one in measured:
        locked = next(verdict for verdict in one.verdicts if "locked" in verdict.bar)
        assert locked.value == 0
        assert one.seeds > 0
        # Random weights only do harm to what they start from.
        assert one.rows[SAMPLE].psnr < one.rows[START].psnr
    lines = numbers_table(measured).splitlines()
    assert len(lines) == 2 + (len(measured) + 1) * (len(CLASSICAL) + 4)
    assert lines[0].count("|") == lines[1].count("|") == lines[-1].count("|")
    bars = verdicts_table(measured)
    assert "missed by" in bars
    assert "| locked pixels that differ | 0.00 (at most 0.00) |" in bars
    quick = measure_drafts(scenes[:1], tmp_path / "weights", quick=True)
    assert quick[0].rows[SAMPLE] == measured[0].rows[SAMPLE]
    assert quick[0].seeds is None


def test_the_largest_hole_is_found():
    masks = {3: np.zeros((50, 70), bool), 5: np.zeros((50, 70), bool)}
    masks[3][5:9, 5:9] = True
    masks[5][20:32, 40:55] = True
    index, (rows_, columns) = largest_hole(masks, side=16)
    assert index == 5
    assert rows_.start <= 20
    assert rows_.stop >= 32
    assert columns.start <= 40
    assert columns.stop >= 55


def test_the_sheet_shows_every_crop_and_fits_its_limit():
    random = np.random.default_rng(2)
    crops = [
        (f"row {row}", {f"c{n}": random.integers(0, 255, (60, 60, 3), np.uint8) for n in range(6)})
        for row in range(5)
    ]
    page = sheet(crops)
    for _, row in crops:
        for crop in row.values():
            assert cv2.matchTemplate(page, crop, cv2.TM_SQDIFF_NORMED).min() < 1e-6
    assert small_jpeg(page[:80, :80]) != small_jpeg(page[:80, 80:160])
    large = np.tile(page, (1, 2, 1))
    content = small_jpeg(large)
    assert len(content) <= MOST_BYTES
    best = cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
    assert best.nbytes > MOST_BYTES  # so that it had to become worse
    assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).shape == large.shape
    with pytest.raises(ValueError, match="1206 x 1368 is too large"):
        small_jpeg(np.tile(page, (3, 3, 1)))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("quality", "nowhere", "--cache", "new"), 1, "'nowhere' holds no scene"),
        (("fills", ".", "--cache", "file/x"), 1, "'file/x' cannot keep what is made (Not a dir"),
        (("fills", ".", "--cache", "file"), 1, "name another folder with --cache"),
        (("fills", ".", "--out", "no/table.md"), 1, "'no' is no folder"),
        (("speed", "nowhere"), 1, "holds no shot"),
        (("speed", "nowhere", "--frames", "24,many"), 2, "'many' is no number from 1 up"),
    ],
)
def test_a_wrong_argument_is_one_sentence(arguments, code, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setattr("sys.argv", ["benchmarks.draft", *arguments])
    try:
        ended = draft.main()
    except SystemExit as leaving:
        ended = leaving.code
    assert ended == code
    assert said in capsys.readouterr().err.splitlines()[-1]
