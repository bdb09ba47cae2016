"""`python -m backend`: the backend's command line, started in the extension's folder."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
