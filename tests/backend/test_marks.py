"""What other programs can read on a frame about what made it."""

from __future__ import annotations

import tomllib
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest

from backend import media
from backend.errors import ShotError
from backend.marks import (
    SOURCE_TYPES,
    Mark,
    add_mark,
    frame_marks,
    read_mark,
    software,
    source_type,
    strongest,
)
from backend.models import find_card
from backend.reader import ShotReader
from backend.writer import TakeWriter

ROOT = Path(__file__).resolve().parents[2]
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"


def test_the_software_is_the_extension_of_the_manifest():
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text())
    assert software() == f"Depthshot {manifest['version']}"


@pytest.mark.parametrize(
    ("learned", "source"),
    [(False, "algorithmicMedia"), (True, "compositeWithTrainedAlgorithmicMedia")],
)
def test_pillow_and_an_xml_parser_read_the_marks(tmp_path, learned, source):
    card = replace(find_card("projection"), learned=learned)
    image = np.zeros((4, 6, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(media.encode_png(image, text=frame_marks(card)))
    with PIL.Image.open(tmp_path / "a.png") as read:
        read.load()
        text = read.text
    assert text["Software"] == software()
    assert text["Model"] == f"projection {card.revision}"
    packet = text["XML:com.adobe.xmp"]
    assert packet.startswith('<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>')
    description = ElementTree.fromstring(packet).find(f"{RDF}RDF/{RDF}Description")
    assert description.get(f"{IPTC}DigitalSourceType") == (
        f"http://cv.iptc.org/newscodes/digitalsourcetype/{source}"
    )


def test_the_packet_is_an_itxt_chunk_as_xmp_asks(tmp_path):
    content = media.encode_png(
        np.zeros((1, 1, 3), np.uint8), text={"XML:com.adobe.xmp": "plain", "Software": "é"}
    )
    assert b"iTXtXML:com.adobe.xmp\0\0\0\0\0plain" in content
    assert "iTXtSoftware\0\0\0\0\0é".encode() in content


@pytest.mark.parametrize("keyword", ["", "x" * 80])
def test_keywords_png_cannot_hold(keyword):
    with pytest.raises(ValueError, match="79"):
        media.encode_png(np.zeros((1, 1, 3), np.uint8), text={keyword: "x"})


TRAINED = Mark("compositeWithTrainedAlgorithmicMedia", "draft 0123")
PLAIN = Mark("algorithmicMedia", "projection 1")


def picture(*, text=None):
    return media.encode_png(np.full((4, 6, 3), 7, np.uint8), text=text)


@pytest.mark.parametrize("learned", [False, True])
def test_a_frames_mark_is_read_again(tmp_path, learned):
    card = replace(find_card("projection"), learned=learned)
    (tmp_path / "a.png").write_bytes(picture(text=frame_marks(card)))
    mark = read_mark(tmp_path / "a.png")
    assert mark == Mark(card.digital_source_type, f"projection {card.revision}")
    assert mark.generated


def test_a_picture_without_a_mark_has_none(tmp_path):
    (tmp_path / "a.png").write_bytes(picture(text={"Software": "x", "Model": "camera"}))
    assert read_mark(tmp_path / "a.png") is None
    with pytest.raises(ShotError, match=r"gone\.png' cannot be read \(No such file"):
        read_mark(tmp_path / "gone.png")


def test_a_photographs_mark_says_that_nothing_is_generated(tmp_path):
    packet = f"<x s='{SOURCE_TYPES}digitalCapture'/>"
    (tmp_path / "a.png").write_bytes(picture(text={"XML:com.adobe.xmp": packet}))
    assert read_mark(tmp_path / "a.png") == Mark("digitalCapture")
    assert not read_mark(tmp_path / "a.png").generated


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
def test_the_mark_of_another_programs_file_is_read(tmp_path, suffix):
    packet = f"<x>{SOURCE_TYPES}trainedAlgorithmicMedia</x>".encode()
    image = PIL.Image.fromarray(np.zeros((8, 8, 3), np.uint8))
    options = {"tiffinfo": {700: packet}} if suffix == "tiff" else {"xmp": packet}
    if suffix == "png":
        info = PIL.PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=True)
        options = {"pnginfo": info}
    image.save(tmp_path / f"a.{suffix}", **options)
    assert read_mark(tmp_path / f"a.{suffix}").source_type == "trainedAlgorithmicMedia"


def test_a_mark_is_found_across_the_pieces_a_file_is_read_in(tmp_path):
    address = f"{SOURCE_TYPES}algorithmicMedia ".encode()
    (tmp_path / "a.jpg").write_bytes(b" " * (1_000_000 - 20) + address)
    assert read_mark(tmp_path / "a.jpg") == Mark("algorithmicMedia")


@pytest.mark.parametrize("cut", [9, 20, 40, 300])
def test_a_torn_file_has_no_mark_and_is_no_error_here(tmp_path, cut):
    whole = picture(text={"Software": "x" * 300, **frame_marks(find_card("projection"))})
    (tmp_path / "a.png").write_bytes(whole[:cut])
    assert read_mark(tmp_path / "a.png") is None


def test_a_mark_that_is_added_is_read_and_changes_no_pixel(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(picture())
    add_mark(path, TRAINED)
    assert read_mark(path) == TRAINED
    with PIL.Image.open(path) as image:
        assert (np.asarray(image) == 7).all()
    assert (media.read_still(path).pixels == np.float32(7 / 255)).all()
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(ShotError, match=r"'b\.png' is not a PNG file; save it as one"):
        add_mark(tmp_path / "b.png", TRAINED)


@pytest.mark.parametrize(
    ("learned", "stills", "source"),
    [
        (False, (), "algorithmicMedia"),
        (False, (PLAIN,), "algorithmicMedia"),
        (False, (PLAIN, TRAINED), "compositeWithTrainedAlgorithmicMedia"),
        (False, (Mark("trainedAlgorithmicMedia"),), "compositeWithTrainedAlgorithmicMedia"),
        (True, (PLAIN,), "compositeWithTrainedAlgorithmicMedia"),
        (False, (Mark("digitalCapture"),), "algorithmicMedia"),
    ],
)
def test_what_a_learned_model_made_stays_said(learned, stills, source):
    assert source_type(replace(find_card("projection"), learned=learned), stills) == source


def test_a_mark_for_a_picture_of_several():
    assert strongest([]) is None
    assert strongest([Mark("digitalCapture", "phone")]) is None
    assert strongest([PLAIN]) == PLAIN
    assert strongest([PLAIN, TRAINED, TRAINED]) == Mark(
        "compositeWithTrainedAlgorithmicMedia", "draft 0123, projection 1"
    )


def test_a_take_from_a_frame_of_an_earlier_take_says_so(make_shot, tmp_path):
    """The frame of a learned model's take stays what it is in the take of one that is not."""
    shot = make_shot(frames=1)
    add_mark(shot / "still.png", TRAINED)
    card = find_card("projection")
    reader = ShotReader(shot)
    settings = card.check_settings({})
    with TakeWriter(tmp_path / "take", reader, card=card, settings=settings, seed=0) as writer:
        width, height = reader.shot.size
        mask = np.zeros((height, width), np.uint8)
        writer.frame(0, image=np.zeros((height, width, 3), np.uint8), mask=mask)
        take = writer.finish({})
    assert take.digital_source_type == "compositeWithTrainedAlgorithmicMedia"
    (warning,) = take.warnings
    assert warning.startswith(
        "The still 'still.png' is generated in part already, by the model draft; "
    )
    (frame,) = (tmp_path / "take/frames").iterdir()
    assert read_mark(frame).source_type == "compositeWithTrainedAlgorithmicMedia"
    with PIL.Image.open(frame) as image:
        assert image.text["Still"] == "draft 0123"
