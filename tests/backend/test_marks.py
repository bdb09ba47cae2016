"""What other programs can read on a frame about what made it."""

from __future__ import annotations

import tomllib
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from backend import media
from backend.marks import frame_marks, software
from backend.models import find_card

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
