"""What the example scenes are built from: shapes, materials, pictures, props, set-up.

Needs bpy and the standard library alone. Metres, Z up; the camera looks along +Y.
"""
