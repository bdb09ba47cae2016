"""Questions that are asked in threads: what is drawn meanwhile, what is forgotten, what fails."""

import sys
import threading

import pytest
from bl_ext.devrepo.depthshot.backend.errors import ModelError
from bl_ext.devrepo.depthshot.operators.answers import Answers

from tests.waiting import wait_until


@pytest.fixture
def asked():
    """How often something was asked, and a lock that holds the answers back."""
    return Asked()


class Asked:
    """A question whose answer is how often it was asked, and comes when it may."""

    def __init__(self):
        self.times = 0
        self.may = threading.Event()

    def __call__(self, before):
        self.times += 1
        number = self.times
        assert self.may.wait(60)
        return number


def in_a_window(**options):
    answers = Answers(**{"again": float("inf"), **options})
    answers.waits = False
    return answers


def test_without_a_window_the_answer_is_waited_for(asked):
    answers = Answers(again=float("inf"))
    asked.may.set()
    assert (answers.last("a", asked), answers.last("a", asked)) == (1, 2)
    assert not answers.step()


def test_the_last_answer_stays_until_there_is_another(asked):
    answers = in_a_window(again=0.0)
    assert answers.last("a", asked) is None and answers.waited("a") > 0
    assert answers.last("a", asked) is None and asked.times == 1, "it is being asked"
    asked.may.set()
    wait_until(answers.step)
    assert answers.waited("a") == 0
    asked.may.clear()
    assert answers.last("a", asked) == 1
    assert answers.fresh("a", asked, seconds=0.0) is None
    assert answers.last("a", asked) == 1
    asked.may.set()
    wait_until(answers.step)
    assert answers.last("a", asked) == 3, "that of the question asked last"


def test_what_is_forgotten_is_not_taken_in_when_it_comes(asked):
    answers = in_a_window()
    answers.last("a", asked)
    answers.forget()
    asked.may.set()
    assert answers.last("a", asked) is None and asked.times == 2
    wait_until(answers.step)
    assert answers.last("a", asked) == 2
    answers.abandon()
    assert answers.last("a", asked) is None


def test_what_fails_is_asked_anew():
    answers, times = in_a_window(), []

    def fails(before):
        times.append(before)
        raise ModelError("No.")

    for number in (1, 2):
        assert answers.last("a", fails) is None
        with pytest.raises(ModelError):
            wait_until(answers.step)
        assert len(times) == number


def test_of_many_questions_the_newest_follows_the_one_that_is_asked(asked):
    answers = in_a_window(at_once=1)
    for key in range(50):
        assert answers.last(key, asked) is None
    assert asked.times == 1
    asked.may.set()
    wait_until(answers.step)
    answers.last(49, asked)
    wait_until(answers.step)
    assert (answers.last(49, asked), asked.times) == (2, 2)


def test_answers_can_be_forgotten_by_a_thread_at_any_time():
    answers, ended, failed = in_a_window(again=0.0), threading.Event(), []

    def forget():
        while not ended.is_set():
            answers.forget()

    thread = threading.Thread(target=forget)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        for _ in range(300):
            for key in "abc":
                answers.last(key, lambda before: 1)
                answers.fresh(key, lambda before: 1, seconds=1.0)
            answers.step()
    except (RuntimeError, KeyError) as reason:
        failed.append(reason)
    finally:
        sys.setswitchinterval(interval)
        ended.set()
        thread.join()
    assert not failed
