"""The marks every frame carries: what made it, readable by people and by other programs.

PNG text chunks (``Software``, ``Model``) are for people; the XMP packet holds the IPTC
DigitalSourceType that platforms read to label generated media.

Sources: PNG 3rd edition, 11.3.3 (keywords); XMP part 3, 1.1.5 (the packet's place in PNG);
IPTC Photo Metadata 2023.2 (``Iptc4xmpExt:DigitalSourceType``).
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

from .models.card import Card
from .png import XMP_KEYWORD

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"

_MANIFEST = Path(__file__).resolve().parent.parent / "blender_manifest.toml"
# The id between `W5M0` and `hzreSzNTczkc9d` is fixed by the XMP specification.
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about=""'
    ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    " xmp:CreatorTool={tool}"
    " Iptc4xmpExt:DigitalSourceType={source}/>"
    "</rdf:RDF></x:xmpmeta>"
    '<?xpacket end="r"?>'
)


@functools.cache
def software() -> str:
    """Return "Depthshot <version>", the version being that of the extension's manifest."""
    with _MANIFEST.open("rb") as stream:
        return f"Depthshot {tomllib.load(stream)['version']}"


def frame_marks(card: Card) -> Mapping[str, str]:
    """Return the PNG text chunks, by keyword, of every frame made by the model of `card`."""
    source = SOURCE_TYPES + card.digital_source_type
    return {
        "Software": software(),
        "Model": f"{card.id} {card.revision}",
        XMP_KEYWORD: _PACKET.format(tool=quoteattr(software()), source=quoteattr(source)),
    }
