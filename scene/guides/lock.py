"""Lock: what of the still is kept, and what may move; the index of what the artist has let free.

Blender's object index, one ray a pixel as depth has it: FREE for objects that may move, 0 for all
others and for what is behind everything.
"""

from .guide import Guide

FREE = 1
LOCK = Guide(name="lock", passes=("use_pass_object_index",))
