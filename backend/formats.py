"""What a take's frames can be: which files, how many bits, and who makes them.

    png8     frames/0001.png    8 bits a value, sRGB display values
    png16    frames/0001.png    16 bits a value, the same values less coarsely
    exr      frames/0001.png    16 bits, and beside each
             linear/0001.exr    half float, scene-linear, for grading

The backend writes PNG. Scene-linear values need the inverse of the view that the still was made
with, which Blender alone has (in its OpenColorIO configuration), so a second Blender makes the EXR
files from the 16-bit frames once these are there.
"""

from __future__ import annotations

from .errors import SettingError

PNG8, PNG16, EXR = "png8", "png16", "exr"
FORMATS = (PNG8, PNG16, EXR)
_BITS = {PNG8: 8, PNG16: 16}


def written_as(format: str) -> str:
    """Return the format that the backend writes where `format` is wanted in the end."""
    return PNG16 if format == EXR else format


def check_written(format: str) -> str:
    """Return a format that the backend writes by itself.

    Raises:
        SettingError: it writes no such format.
    """
    if format == EXR:
        raise SettingError(
            "OpenEXR takes are made inside Blender, which alone knows the inverse of its view"
            f" transforms; choose {EXR} in Blender's panel, or {PNG16} here."
        )
    if format not in _BITS:
        raise SettingError(f"There is no format '{format}'; there are {PNG8} and {PNG16}.")
    return format


def bits_of(format: str) -> int:
    """Return the bits a value of the PNG frames that the backend writes for a format."""
    return _BITS[written_as(format)]
