"""Scenes made by script alone: the demo, two more for benchmarks, and their true frames."""
