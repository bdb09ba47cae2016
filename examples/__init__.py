"""Scenes made by script alone: the demo, three more for benchmarks, and their true frames."""
