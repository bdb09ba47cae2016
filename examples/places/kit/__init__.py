"""What the scenes are built from: shapes, materials, pictures, props and the stage."""
