"""Flow: where each pixel's surface point is in the previous and the next frame, in pixels.

Blender's Vector pass. With y up, previous = (X, Y) and next = (-Z, -W) of it; the shot's flow has
y down: previous = (X, -Y), next = (-Z, W).
"""

from .guide import Guide

FLOW = Guide(name="flow", passes=("use_pass_vector",), joins_frames=True)
