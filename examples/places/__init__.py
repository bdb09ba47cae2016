"""The example scenes, one a module, each with `build(*, size, frames, samples)`.

They need bpy and the standard library alone. Metres, Z up; the camera looks along +Y.
"""
