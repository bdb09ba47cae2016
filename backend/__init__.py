"""Depthshot without Blender: the wire format, geometry, models, server and client.

Nothing in this package imports bpy. The same files run as ``backend`` in the backend's own
process and as ``bl_ext.<repository>.depthshot.backend`` inside Blender, so every import in here
is relative.
"""
