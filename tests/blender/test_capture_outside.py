"""Files around the .blend file: a change in any of them makes another capture."""

import sys
import types

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.scene import outside

from tests.blender import shots


def told(look, change):
    """Whether a change shows in what `look` returns; an untouched disk gives the same twice."""
    before = look()
    assert look() == before
    change()
    return look() != before


def numbered(folder, count=2):
    """Writes a sequence of pictures; returns their paths."""
    folder.mkdir()
    image = bpy.data.images.new("made", 4, 4)
    image.pixels.foreach_set(np.full(64, 0.5, np.float32))
    paths = [folder / f"{number:04d}.png" for number in range(1, count + 1)]
    for path in paths:
        image.filepath_raw, image.file_format = str(path), "PNG"
        image.save()
    bpy.data.images.remove(image)
    return paths


def test_every_file_of_a_sequence_counts(empty_scene, tmp_path):
    first, second = numbered(tmp_path / "plates")
    image = bpy.data.images.load(str(first))
    assert not told(outside.files_of_data, lambda: second.write_bytes(b"changed"))
    image.source = "SEQUENCE"
    assert told(outside.files_of_data, lambda: second.write_bytes(b"again"))
    assert told(outside.files_of_data, second.unlink)


def test_every_file_of_a_cache_sequence_counts(empty_scene, tmp_path):
    """An Alembic file a frame: Blender lists the first alone."""
    scene = shots.small(empty_scene, (32, 18))
    plane = shots.add_plane(scene, half=3)
    shots.add_camera(scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "artist.blend"))
    for frame in (1, 2):
        plane.location.z = -frame
        bpy.context.view_layer.update()
        path = str(tmp_path / f"c_{frame:04d}.abc")
        bpy.ops.wm.alembic_export(filepath=path, start=frame, end=frame, flatten=True)
    bpy.ops.cachefile.open(filepath=str(tmp_path / "c_0001.abc"))
    (cache,) = bpy.data.cache_files
    cache.is_sequence = True
    modifier = plane.modifiers.new("Cache", "MESH_SEQUENCE_CACHE")
    modifier.cache_file, modifier.object_path = cache, "/Plane/Plane"
    first = shots.capture(scene, tmp_path / "cache", end=2)
    assert shots.capture(scene, tmp_path / "cache", end=2).reused
    (tmp_path / "c_0002.abc").write_bytes((tmp_path / "c_0001.abc").read_bytes())
    second = shots.capture(scene, tmp_path / "cache", end=2)
    assert (second.reused, first.folder == second.folder) == (False, False)


def test_every_layer_of_a_cache_counts(empty_scene, tmp_path):
    (tmp_path / "base.abc").write_bytes(b"no real one")
    bpy.ops.cachefile.open(filepath=str(tmp_path / "base.abc"))
    layer = tmp_path / "layer.abc"
    layer.write_bytes(b"one")
    bpy.data.cache_files[0].layers.new(filepath=str(layer))
    assert told(outside.files_of_data, lambda: layer.write_bytes(b"another"))


def test_every_file_of_a_folder_counts(empty_scene, tmp_path):
    """As that of baked waves."""
    inner = tmp_path / "waves" / "inner"
    inner.mkdir(parents=True)
    plane = shots.add_plane(empty_scene)
    plane.modifiers.new("Waves", "OCEAN").filepath = str(tmp_path / "waves")
    file = inner / "disp_0001.exr"
    assert told(outside.files_of_data, lambda: file.write_bytes(b"one"))
    assert told(outside.files_of_data, lambda: file.write_bytes(b"another"))


def test_a_folder_without_end_is_not_listed(empty_scene, tmp_path, monkeypatch):
    for name in "abc":
        (tmp_path / name).touch()
    shots.add_plane(empty_scene).modifiers.new("Waves", "OCEAN").filepath = str(tmp_path)
    outside.files_of_data()
    monkeypatch.setattr(outside, "MOST_FILES", 2)
    with pytest.raises(outside.TooManyFilesError, match="more than 2 files"):
        outside.files_of_data()


def test_a_volume_without_a_file_is_not_the_whole_disk(empty_scene, tmp_path, monkeypatch):
    monkeypatch.setattr(outside, "MOST_FILES", 1)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "artist.blend"))
    before = outside.files_of_data()
    bpy.data.volumes.new("Smoke").is_sequence = True
    assert outside.files_of_data() == before
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "again.blend"))
    assert outside.files_of_data() == before


def test_a_file_whose_name_cannot_be_one_is_captured_with(empty_scene, tmp_path):
    scene = shots.small(empty_scene, (32, 18))
    shots.add_plane(scene, half=3)
    shots.add_camera(scene)
    smoke = bpy.data.volumes.new("Smoke")
    smoke.filepath = str(tmp_path / ("n" * 300))
    shots.add(scene, "Smoke", smoke)
    finished = shots.capture(scene, tmp_path / "cache")
    assert (finished.key, finished.reused) == (None, False)


@pytest.mark.parametrize("kind", ["package", "module"])
def test_the_code_of_addons_counts(empty_scene, tmp_path, monkeypatch, kind):
    folder = tmp_path / "artists_addon"
    (folder / "__pycache__").mkdir(parents=True)
    source = folder / ("__init__.py" if kind == "package" else "single.py")
    source.write_text("")
    module = types.ModuleType("artists_addon")
    module.__file__ = str(source)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    addon = bpy.context.preferences.addons.new()
    addon.module = module.__name__
    try:
        cached = folder / "__pycache__" / "x.pyc"
        assert not told(outside.files_of_program, lambda: cached.write_bytes(b"x"))
        assert told(outside.files_of_program, lambda: source.write_text("value = 1"))
        if kind == "package":
            other = folder / "nodes.py"
            assert told(outside.files_of_program, lambda: other.write_text("value = 1"))
    finally:
        bpy.context.preferences.addons.remove(addon)


def test_the_folder_of_this_extension_is_not_listed(empty_scene):
    """A developer's is a checkout; what counts of it goes into the hash by itself."""
    assert not [facts for facts in outside.files_of_program() if "depthshot" in facts[0]]


def test_colour_spaces_of_ones_own_count(empty_scene, tmp_path, monkeypatch):
    config, table = tmp_path / "config.ocio", tmp_path / "luts" / "film.cube"
    table.parent.mkdir()
    config.write_text("one")
    table.write_text("one")
    monkeypatch.setenv("OCIO", str(config))
    assert told(outside.files_of_program, lambda: config.write_text("another"))
    assert told(outside.files_of_program, lambda: table.write_text("another"))
