"""Shots as zip files: both ways, and everything an archive from outside may try."""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from backend import bundle
from backend.errors import ShotError, StorageError
from backend.reader import ShotReader
from backend.wire import read_shot, write_shot

ROOT = Path(__file__).resolve().parents[2]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class TestBothWays:
    def test_folder_to_zip_to_folder(self, make_shot, tmp_path):
        folder = make_shot(frames=3, with_flow=True)
        (folder / "notes.txt").write_text("not named by the shot")
        bundle.pack(folder, tmp_path / "a.zip")
        shot = bundle.unpack(tmp_path / "a.zip", tmp_path / "b")
        assert shot == read_shot(folder)
        expected = tree(folder)
        del expected["notes.txt"]
        assert tree(tmp_path / "b") == expected
        bundle.pack(tmp_path / "b", tmp_path / "b.zip")
        assert (
            bundle.shot_hash(bundle.unpack(tmp_path / "b.zip", tmp_path / "c") and tmp_path / "c")
            == bundle.shot_hash(folder)
        )  # fmt: skip
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "b", "b.zip", "c", "shot"]

    def test_other_words_for_the_same_files(self, make_shot, tmp_path):
        folder = make_shot(frames=2)
        before = tree(folder)
        asked = replace(read_shot(folder), name="Hall", prompt="rain", negative_prompt="f", seed=9)
        bundle.pack(folder, tmp_path / "a.zip", shot=asked)
        assert bundle.unpack(tmp_path / "a.zip", tmp_path / "b") == asked
        assert tree(folder) == before
        assert {**tree(tmp_path / "b"), "shot.json": b""} == {**before, "shot.json": b""}

    def test_words_for_files_that_are_not_there(self, make_shot, tmp_path):
        folder = make_shot(frames=2)
        shot = read_shot(folder)
        with pytest.raises(ShotError, match="'seed' must be"):
            bundle.pack(folder, tmp_path / "a.zip", shot=replace(shot, seed=-1))
        (folder / shot.guides["depth"][1]).unlink()
        with pytest.raises(ShotError, match=r"guides\.depth\[1\]"):
            bundle.pack(folder, tmp_path / "a.zip", shot=shot)
        assert not (tmp_path / "a.zip").exists()

    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_archives_by_others_with_folder_entries(self, make_shot, tmp_path, method):
        folder = make_shot(frames=2)
        with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as target:
            for path in sorted(folder.rglob("*"), reverse=True):
                target.write(path, path.relative_to(folder))
        assert bundle.unpack(tmp_path / "a.zip", tmp_path / "b") == read_shot(folder)
        assert tree(tmp_path / "b") == tree(folder)

    def test_zip64(self, make_shot, tmp_path):
        folder = make_shot(frames=1)
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
            for name, content in tree(folder).items():
                with target.open(name, "w", force_zip64=True) as stream:
                    stream.write(content)
        bundle.unpack(tmp_path / "a.zip", tmp_path / "b")
        assert tree(tmp_path / "b") == tree(folder)

    def test_a_file_that_no_field_names_stays_inside(self, make_shot, tmp_path):
        content = {**tree(make_shot(frames=1)), "evil.py": b"import os", "a/b/c.exr": b"x"}
        bundle.unpack(make_zip(tmp_path / "a.zip", content), tmp_path / "b")
        assert "evil.py" not in tree(tmp_path / "b")
        assert not (tmp_path / "b" / "a").exists()

    def test_a_guide_of_an_unknown_name_comes_along(self, make_shot, tmp_path):
        folder = make_shot(frames=1)
        value = json.loads((folder / "shot.json").read_text())
        value["guides"]["normal"] = ["normal/1.exr"]
        (folder / "shot.json").write_text(json.dumps(value))
        (folder / "normal").mkdir()
        (folder / "normal/1.exr").write_bytes(b"anything")
        whole = bundle.shot_hash(folder)
        bundle.pack(folder, tmp_path / "a.zip")
        bundle.unpack(tmp_path / "a.zip", tmp_path / "b")
        assert (tmp_path / "b/normal/1.exr").read_bytes() == b"anything"
        assert bundle.shot_hash(tmp_path / "b") == whole
        (folder / "normal/1.exr").unlink()
        assert bundle.shot_hash(folder) != whole

    def test_the_reader_reads_what_was_unpacked(self, make_shot, tmp_path):
        bundle.pack(make_shot(frames=2), tmp_path / "a.zip")
        bundle.unpack(tmp_path / "a.zip", tmp_path / "b")
        assert ShotReader(tmp_path / "b").depth(1).shape == (40, 64)

    def test_files_older_than_zip_itself(self, make_shot, tmp_path):
        folder = make_shot(frames=1)
        os.utime(folder / "still.png", (0, 0))
        bundle.pack(folder, tmp_path / "a.zip")
        assert bundle.unpack(tmp_path / "a.zip", tmp_path / "b") == read_shot(folder)


class TestHash:
    def test_layout_of_the_json_does_not_count(self, make_shot):
        folder = make_shot(frames=2)
        before = bundle.shot_hash(folder)
        value = json.loads((folder / "shot.json").read_text())
        turned = dict(reversed(list(value.items()))) | {"unknown": [1, 2, 3]}
        (folder / "shot.json").write_text(json.dumps(turned, indent=7))
        assert bundle.shot_hash(folder) == before

    def test_every_field_and_file_counts(self, make_shot):
        folder = make_shot(frames=2)
        hashes = {bundle.shot_hash(folder)}
        for name in ("still.png", "depth/0001.exr", "depth/0002.exr"):
            with (folder / name).open("ab") as stream:
                stream.write(b"\0")
            hashes.add(bundle.shot_hash(folder))
        value = json.loads((folder / "shot.json").read_text())
        value["prompt"] = "other"
        (folder / "shot.json").write_text(json.dumps(value))
        hashes.add(bundle.shot_hash(folder))
        value["guides"]["depth"].reverse()
        (folder / "shot.json").write_text(json.dumps(value))
        hashes.add(bundle.shot_hash(folder))
        assert len(hashes) == 6
        assert all(len(value) == 64 for value in hashes)


def make_zip(path: Path, content: dict[str, bytes], **attributes) -> Path:
    with zipfile.ZipFile(path, "w") as target:
        for name, data in content.items():
            info = zipfile.ZipInfo(name)
            info.filename = name  # as given: ZipInfo would tidy it
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            target.writestr(info, data)
    return path


def refused(archive: Path, tmp_path: Path, said: str) -> None:
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ShotError, match=said) as caught:
        bundle.unpack(archive, tmp_path / "out")
    assert set(tmp_path.rglob("*")) == before, "something was left behind"
    assert "\n" not in str(caught.value)


class TestHostile:
    @pytest.mark.parametrize(
        "name",
        ["../evil", "a/../../evil", "/evil", "C:/evil", "C:evil", "a\\evil", "\\evil", "./evil",
         "a//b", "nul", "//host/share/x"],
    )  # fmt: skip
    def test_names_that_leave_the_folder(self, make_shot, tmp_path, name):
        content = {**tree(make_shot(frames=1)), name: b"x"}
        refused(make_zip(tmp_path / "a.zip", content), tmp_path, "must be a relative path")

    def test_a_name_with_a_null(self, make_shot, tmp_path):
        content = {**tree(make_shot(frames=1)), "extra.bin": b"x"}
        archive = make_zip(tmp_path / "a.zip", content)
        archive.write_bytes(archive.read_bytes().replace(b"extra.bin", b"ext\0a.bin"))
        refused(archive, tmp_path, "must be a relative path")

    @pytest.mark.parametrize(
        "kind",
        [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFDIR],
    )
    def test_links_and_devices(self, make_shot, tmp_path, kind):
        content = tree(make_shot(frames=1))
        archive = make_zip(tmp_path / "a.zip", content, external_attr=(kind | 0o644) << 16)
        refused(archive, tmp_path, "link or device")

    def test_the_same_name_twice(self, make_shot, tmp_path):
        archive = make_zip(tmp_path / "a.zip", tree(make_shot(frames=1)))
        with zipfile.ZipFile(archive, "a") as target, pytest.warns(UserWarning, match="Duplicate"):
            target.writestr("still.png", b"another")
        refused(archive, tmp_path, "there twice")

    def test_names_that_differ_in_case(self, make_shot, tmp_path):
        content = {**tree(make_shot(frames=1)), "STILL.png": b"x"}
        refused(make_zip(tmp_path / "a.zip", content), tmp_path, "there twice")

    def test_a_bomb_by_ratio(self, make_shot, tmp_path):
        folder = make_shot(frames=1)
        (folder / "depth/0001.exr").write_bytes(bytes(30_000_000))
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
            for name, data in tree(folder).items():
                z.writestr(name, data)
        refused(tmp_path / "a.zip", tmp_path, "more than 200 times")

    def test_a_bomb_beside_the_shot_is_refused_as_well(self, make_shot, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
            for name, data in tree(make_shot(frames=1)).items():
                z.writestr(name, data)
            z.writestr("zeros", bytes(30_000_000))
        refused(tmp_path / "a.zip", tmp_path, "more than 200 times")

    def test_many_small_bombs_by_the_whole_ratio(self, make_shot, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
            for name, data in tree(make_shot(frames=1)).items():
                z.writestr(name, data)
            for number in range(60):
                z.writestr(f"z{number}", bytes(1_000_000))
        refused(tmp_path / "a.zip", tmp_path, "archive is packed more than 200 times")

    def test_small_entries_may_be_packed_tightly(self, make_shot, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
            for name, data in tree(make_shot(frames=1)).items():
                z.writestr(name, data)
            z.writestr("zeros", bytes(900_000))
            assert z.getinfo("zeros").compress_size * 200 < 900_000
        bundle.unpack(tmp_path / "a.zip", tmp_path / "out")

    def test_claims_of_64_gigabytes(self, make_shot, tmp_path):
        archive = make_zip(tmp_path / "a.zip", tree(make_shot(frames=1)))
        claim_sizes(archive, packed=2**32 - 2, unpacked=2**32 - 2, entries=17)
        refused(archive, tmp_path, "unpacks to 68 GB, more than 64")

    @pytest.mark.parametrize("by", [-1, 1, 1000])
    def test_a_size_that_is_not_true(self, make_shot, tmp_path, by):
        content = tree(make_shot(frames=1))
        archive = make_zip(tmp_path / "a.zip", content)
        data = bytearray(archive.read_bytes())
        at = data.rindex(b"still.png") - 46  # in the directory
        (size,) = struct.unpack_from("<I", data, at + 24)
        struct.pack_into("<I", data, at + 24, size + by)
        archive.write_bytes(data)
        refused(archive, tmp_path, "not as long|damaged or no zip")

    def test_wrong_checksums(self, make_shot, tmp_path):
        archive = make_zip(tmp_path / "a.zip", tree(make_shot(frames=1)))
        data = bytearray(archive.read_bytes())
        data[data.index(b"\x89PNG") + 200] ^= 1
        archive.write_bytes(data)
        refused(archive, tmp_path, "damaged or no zip")

    def test_encrypted(self, make_shot, tmp_path):
        archive = make_zip(tmp_path / "a.zip", tree(make_shot(frames=1)))
        set_flags(archive, 0x1)
        refused(archive, tmp_path, "encrypted")

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_unusual_compression(self, make_shot, tmp_path, method):
        with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as target:
            for name, data in tree(make_shot(frames=1)).items():
                target.writestr(name, data)
        refused(tmp_path / "a.zip", tmp_path, "unusual")

    def test_more_entries_than_a_shot_can_have(self, tmp_path, monkeypatch):
        monkeypatch.setattr(bundle, "MAX_ENTRIES", 20)
        content = {f"f{number}": b"" for number in range(21)}
        refused(make_zip(tmp_path / "a.zip", content), tmp_path, "far more files")

    def test_a_directory_beyond_the_cap_is_not_read(self, tmp_path):
        size = bundle.MAX_DIRECTORY_BYTES + 100
        with (tmp_path / "a.zip").open("wb") as stream:
            stream.truncate(size)
            stream.seek(size)
            stream.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9999, 9999, size, 0, 0))
        refused(tmp_path / "a.zip", tmp_path, "far more files")

    @pytest.mark.parametrize("content", [b"", b"PK", b"hello" * 100, b"PK\5\6" + bytes(17)])
    def test_what_is_no_zip(self, tmp_path, content):
        (tmp_path / "a.zip").write_bytes(content)
        refused(tmp_path / "a.zip", tmp_path, "damaged or no zip")

    def test_no_archive(self, tmp_path):
        refused(tmp_path / "none.zip", tmp_path, "There is no shot")

    def test_no_shot_json(self, tmp_path):
        refused(make_zip(tmp_path / "a.zip", {"shot/shot.json": b"{}"}), tmp_path, "at its top")

    def test_a_missing_frame(self, make_shot, tmp_path):
        content = tree(make_shot(frames=2))
        del content["depth/0002.exr"]
        archive = make_zip(tmp_path / "a.zip", content)
        refused(archive, tmp_path, r"names 'depth/0002\.exr', but the archive does not have it")

    def test_too_large_a_shot_json(self, make_shot, tmp_path):
        content = {**tree(make_shot(frames=1)), "shot.json": b" " * (33 * 1024 * 1024)}
        refused(make_zip(tmp_path / "a.zip", content), tmp_path, "larger than any shot needs")

    def test_bad_json_inside(self, make_shot, tmp_path):
        content = {**tree(make_shot(frames=1)), "shot.json": b"{'a': 1}"}
        refused(make_zip(tmp_path / "a.zip", content), tmp_path, "not valid JSON")


class TestStorage:
    def test_an_existing_folder_is_left_alone(self, make_shot, tmp_path):
        bundle.pack(make_shot(frames=1), tmp_path / "a.zip")
        (tmp_path / "out").mkdir()
        with pytest.raises(StorageError, match="there already"):
            bundle.unpack(tmp_path / "a.zip", tmp_path / "out")
        assert list((tmp_path / "out").iterdir()) == []

    def test_a_parent_that_is_gone(self, make_shot, tmp_path):
        bundle.pack(make_shot(frames=1), tmp_path / "a.zip")
        with pytest.raises(StorageError, match="cannot be written"):
            bundle.unpack(tmp_path / "a.zip", tmp_path / "gone" / "out")

    @pytest.mark.skipif(os.name != "posix", reason="limits of a process exist on POSIX alone")
    def test_a_full_disk(self, make_shot, tmp_path):
        """A limit on the size of files stands in for the disk: writing fails in the same place."""
        folder = make_shot(frames=1, size=(208, 120))
        bundle.pack(folder, tmp_path / "a.zip")
        code = (
            "import resource, sys; from pathlib import Path; from backend import bundle, errors\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
            "for attempt in (lambda: bundle.unpack(Path(sys.argv[1]), Path(sys.argv[2])),\n"
            "                lambda: bundle.pack(Path(sys.argv[3]), Path(sys.argv[4]))):\n"
            "    try: attempt()\n"
            "    except errors.StorageError as error: print(error)\n"
        )
        arguments = [tmp_path / "a.zip", tmp_path / "out", folder, tmp_path / "b.zip"]
        done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT,
                              capture_output=True, text=True, timeout=60, check=True)  # fmt: skip
        assert done.stdout.count("cannot be written: File too large. Free some space") == 2
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "shot"]

    def test_too_little_room_is_said_before_writing(self, make_shot, tmp_path, monkeypatch):
        bundle.pack(make_shot(frames=1), tmp_path / "a.zip")
        usage = bundle.shutil.disk_usage(tmp_path)
        monkeypatch.setattr(bundle.shutil, "disk_usage", lambda _: usage._replace(free=100))
        with pytest.raises(StorageError, match="more than is free"):
            bundle.unpack(tmp_path / "a.zip", tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_more_than_the_cap_is_not_packed(self, make_shot, tmp_path, monkeypatch):
        monkeypatch.setattr(bundle, "MAX_UNPACKED_BYTES", 1000)
        with pytest.raises(ShotError, match="fewer frames"):
            bundle.pack(make_shot(frames=1), tmp_path / "a.zip")
        assert not (tmp_path / "a.zip").exists()

    def test_a_shot_that_never_moves_is_no_bomb(self, make_shot, tmp_path):
        """Thousands of equal cameras would deflate far beyond the ratio; they are stored."""
        folder = make_shot(frames=1)
        shot = read_shot(folder)
        value = shot.to_json()
        value["cameras"] *= 4096
        value["guides"]["depth"] *= 4096
        (folder / "shot.json").write_text(json.dumps(value))
        bundle.pack(folder, tmp_path / "a.zip")
        assert bundle.unpack(tmp_path / "a.zip", tmp_path / "out").frames == 4096
        write_shot(shot, folder)


def claim_sizes(archive: Path, *, packed: int, unpacked: int, entries: int) -> None:
    """Rewrite the directory so that it lists `entries` files of the sizes claimed."""
    names = [b"shot.json"] + [f"f{number}".encode() for number in range(entries - 1)]
    body = io.BytesIO()
    for name in names:
        body.write(struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, packed, unpacked,
                               len(name), 0, 0, 0, 0, 0, 0) + name)  # fmt: skip
    directory = body.getvalue()
    data = archive.read_bytes()
    start = data.index(b"PK\1\2")
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, entries, entries, len(directory), start, 0)
    archive.write_bytes(data[:start] + directory + end)


def set_flags(archive: Path, flags: int) -> None:
    """Set flag bits of every entry, in the local headers and in the directory."""
    data = bytearray(archive.read_bytes())
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(mark)
        while at >= 0:
            struct.pack_into("<H", data, at + offset, flags)
            at = data.find(mark, at + 4)
    archive.write_bytes(data)
