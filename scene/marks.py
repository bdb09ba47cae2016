"""Names of the custom properties by which Depthshot knows what it has made in a .blend.

Also imported in the second Blender, so it needs the standard library alone.
"""

from __future__ import annotations

PLANE = "depthshot_plane"
"""On the object of a take's plane: captures leave it out."""
