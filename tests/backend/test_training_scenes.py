"""The scenes that the draft model learns from, and the pool that makes them ahead."""

import time

import numpy as np
import pytest

from backend.training.pool import Pool, WorkerLost

SIZE = 64


def opened(folder, **changes):
    return Pool(folder, **{"examples": 6, "size": SIZE, "processes": 1, "seed": 5} | changes)


def test_a_pool_is_drawn_from_while_it_is_refreshed_and_used_on_by_the_next(tmp_path):
    random = np.random.default_rng(0)
    with opened(tmp_path) as pool:
        pool.wait(6)
        example = pool.draw(random)
        assert example.filled.shape == example.truth.shape == (3, SIZE, SIZE)
        assert example.inverse.shape == example.generated.shape == (SIZE, SIZE)
        assert example.generated.any()
        while pool.made < 12:
            pool.draw(random)
            time.sleep(0.01)
    made = pool.made
    with opened(tmp_path) as again:
        assert again.count == 6
        assert again.made >= made
        again.draw(random)


def test_a_process_that_dies_is_said_at_the_next_draw(tmp_path):
    with opened(tmp_path) as pool:
        pool.wait(1)
        pool._processes[0].terminate()
        pool._processes[0].join()
        with pytest.raises(WorkerLost, match="scenes-0, which renders examples, ended with code"):
            pool.draw(np.random.default_rng(0))
