"""All code that reads or writes Blender data: capture, guides, targets, colour."""
