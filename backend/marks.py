"""The marks every frame carries: what made it, readable by people and by other programs.

PNG text chunks (``Software``, ``Model``) are for people; the XMP packet holds the IPTC
DigitalSourceType that platforms read to label generated media. A still can bear such a mark too: a
frame of an earlier take, or a picture that another program generated. What is made from it then
bears the stronger of the two.

Sources: PNG 3rd edition, 5.3 (chunks), 11.3.3 (keywords); XMP part 3, 1.1.5 (the packet's place in
PNG); IPTC Photo Metadata 2023.2 (``Iptc4xmpExt:DigitalSourceType``).
"""

from __future__ import annotations

import functools
import re
import struct
import tomllib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import quoteattr

from .errors import ShotError
from .models.card import Card, SourceType
from .png import SIGNATURE, XMP_KEYWORD, text_chunk
from .take import Take

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"

# What a learned model made, in whole or in part.
_TRAINED = frozenset(
    {"trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic"}
)
_GENERATED = _TRAINED | {"algorithmicMedia"}
_SOURCE = re.compile(rb"cv\.iptc\.org/newscodes/digitalsourcetype/(\w{1,60})")
_MODEL = re.compile(rb"[\x20-\x7e]{1,200}")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
# Of one text chunk, packed and unpacked; an XMP packet of a camera takes some tens of kB.
_MOST_TEXT = 4_000_000
_WINDOW = 1_000_000

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


@dataclass(frozen=True, slots=True)
class Mark:
    """What a picture says about what made it.

    Attributes:
        source_type: Its IPTC DigitalSourceType, without the address before it.
        model: The model that it names, "" where it names none.
    """

    source_type: str
    model: str = ""

    @property
    def generated(self) -> bool:
        """Whether the picture says that an algorithm made it or a part of it."""
        return self.source_type in _GENERATED


def frame_marks(card: Card, stills: Sequence[Mark] = ()) -> Mapping[str, str]:
    """Return the PNG text chunks, by keyword, of every frame made by the model of `card`.

    Args:
        card: The model.
        stills: The marks of the stills that it is made from.
    """
    marks = {"Software": software(), "Model": f"{card.id} {card.revision}"}
    if models := sorted({mark.model for mark in stills if mark.model}):
        marks["Still"] = ", ".join(models)
    return {**marks, XMP_KEYWORD: _packet(source_type(card, stills))}


def linear_marks(take: Take, *, view: str) -> Mapping[str, str]:
    """Return the text attributes, by name, of a take's scene-linear EXR files.

    Args:
        take: The take.
        view: The view transform whose inverse made the values.
    """
    return {
        "Software": software(),
        "Model": f"{take.model} {take.revision}",
        "DigitalSourceType": SOURCE_TYPES + take.digital_source_type,
        # The name of these primaries and this encoding in OpenEXR's own words, read by Blender 5.0.
        "colorInteropID": "lin_rec709_scene",
        "View": view,
    }


def source_type(card: Card, stills: Sequence[Mark] = ()) -> SourceType:
    """Return the IPTC DigitalSourceType of frames that `card` makes from stills with these marks.

    What a learned model has made stays in the frames that are made from it.
    """
    if any(mark.source_type in _TRAINED for mark in stills):
        return "compositeWithTrainedAlgorithmicMedia"
    return card.digital_source_type


def strongest(marks: Iterable[Mark]) -> Mark | None:
    """Return one mark for a picture that shows all of these; None where nothing is generated."""
    found = [mark for mark in marks if mark.generated]
    if not found:
        return None
    trained = any(mark.source_type in _TRAINED for mark in found)
    source = "compositeWithTrainedAlgorithmicMedia" if trained else "algorithmicMedia"
    return Mark(source, ", ".join(sorted({mark.model for mark in found if mark.model})))


def read_mark(path: Path) -> Mark | None:
    """Return what a PNG, JPEG, TIFF or WebP file says about what made it, None if it says nothing.

    Only its text is read, no pixel is decoded.

    Raises:
        ShotError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            if stream.read(len(SIGNATURE)) == SIGNATURE:
                return _of_png(stream)
            stream.seek(0)
            return _of_bytes(_windows(stream))
    except OSError as reason:
        raise ShotError(
            f"The still '{path}' cannot be read ({reason.strerror or reason}); choose another one."
        ) from reason


def add_mark(path: Path, mark: Mark) -> None:
    """Put a mark into a PNG file, in front of its pixels.

    Raises:
        ShotError: it is no PNG file.
        OSError: it cannot be written.
    """
    data = path.read_bytes()
    end = len(SIGNATURE) + 8 + 13 + 4  # after the header's chunk
    if not data.startswith(SIGNATURE) or len(data) < end:
        raise ShotError(f"The still '{path.name}' is not a PNG file; save it as one.")
    texts = {"Model": mark.model} if mark.model else {}
    texts[XMP_KEYWORD] = _packet(mark.source_type)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data[:end] + b"".join(map(text_chunk, texts, texts.values())) + data[end:])
    part.replace(path)


def _packet(source: str) -> str:
    return _PACKET.format(tool=quoteattr(software()), source=quoteattr(SOURCE_TYPES + source))


def _of_png(stream: BinaryIO) -> Mark | None:
    source, model = None, ""
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind not in _TEXTS or length > _MOST_TEXT:
            stream.seek(length + 4, 1)
            continue
        body = stream.read(length)
        stream.seek(4, 1)
        text = _plain(kind, body)
        if source is None and (found := _SOURCE.search(text)):
            source = found[1].decode()
        elif body.startswith(b"Model\0") and (named := _MODEL.match(text)):
            model = named[0].decode()
    return None if source is None else Mark(source, model)


def _plain(kind: bytes, body: bytes) -> bytes:
    """Return the text of a chunk, unpacked; b"" of one that is damaged."""
    _, _, rest = body.partition(b"\0")
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed = rest[:1] == b"\1"
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    elif packed:
        rest = rest[1:]
    if not packed:
        return rest
    try:
        return zlib.decompressobj().decompress(rest, _MOST_TEXT)
    except zlib.error:
        return b""


def _of_bytes(windows: Iterable[bytes]) -> Mark | None:
    """Look for the type as it stands: these formats hold their XMP packet unpacked."""
    found = next((found for window in windows if (found := _SOURCE.search(window))), None)
    return None if found is None else Mark(found[1].decode())


def _windows(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a file's bytes, the end of each piece once more at the start of the next."""
    kept = b""
    while data := stream.read(_WINDOW):
        yield kept + data
        kept = data[-200:]
