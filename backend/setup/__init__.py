"""Making the backend's own Python environment: for artists from Blender, for developers by dev.py.

Needs the standard library alone, because it runs before anything is installed: inside Blender's
Python, or in any Python that runs `dev.py`.

    addresses.py    every address on the network that an installation may ask
    pythons.py      finding a Python that environments can be made with
    process.py      one program at a time: followed, logged, ended with all it started
    pip.py          pip, and its failures as one sentence
    torch_build.py  which build of torch fits a machine
    environment.py  an environment from lock files, with the stamp that says it is whole
    progress.py     how far it is, and the wish to stop
    place.py        the artist's environment: where it is, what it needs, in which state it is
    install.py      make it
    ours.py         what in a data folder Depthshot has made itself
    removal.py      remove that, and nothing else
"""
