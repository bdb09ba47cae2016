"""The manual's page of what can go wrong has every sentence that the extension can say."""

import pytest

from tools.sentences import ROOT, on_page, sentences

PAGE = ROOT / "docs/manual/troubleshooting.md"


def test_the_page_has_every_sentence():
    said = sentences()
    missing = sorted(f"- {text}\n    ({said[text]})" for text in set(said) - on_page(_page()))
    assert not missing, f"put into {PAGE.name}, with cause and way out:\n" + "\n".join(missing)


def test_the_page_has_no_sentence_that_nothing_says():
    stale = sorted(on_page(_page()) - set(sentences()))
    assert not stale, f"take out of {PAGE.name}:\n" + "\n".join(stale)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('raise TakeError(f"{name} is gone; bring {X} back.")', ["… is gone; bring … back"]),
        ('def why_not(c):\n return GREY if c else None\nGREY = "It is grey today"',
         ["It is grey today"]),
        ('cls.poll_message_set("Nothing is\\n  running")', ["Nothing is running"]),
        ('error("The field is missing" if a else "The field is wrong")',
         ["The field is missing", "The field is wrong"]),
        ('AWAY = "is not there any more"\nraise TakeError(f"It {AWAY}.")',
         ["It is not there any more"]),
        ('raise TakeError("It has {} pixels".format(3))', ["It has … pixels"]),
        ('return State(Kind.OLD, f"It is {old} already.")', ["It is … already"]),
        ('def explain(x):\n return "The disk is full."', ["The disk is full"]),
        ('def _certificate_refused(x):\n return f"{x} is not trusted"', ["… is not trusted"]),
        ('def _refusal(x):\n return 403, "Only HTTP is served."', ["Only HTTP is served"]),
        ('raise HTTPException(404, "There is no such job.")', ["There is no such job"]),
        ('progress.note("It runs on the CPU here.")', ["It runs on the CPU here"]),
        ('def busy():\n return f"{label} it; wait for that."', ["… it; wait for that"]),
        ('self.message, self.failed = "It made a mistake.", True', ["It made a mistake"]),
        ('log.error("no sentence for artists")\nraise ValueError("nor is this one")', []),
        ('raise TakeError(str(reason))\nraise TakeError("short")', []),
    ],
)  # fmt: skip
def test_sentences_are_found(tmp_path, source, expected):
    for folder in ("backend", "operators", "panels", "scene"):
        (tmp_path / folder).mkdir()
    (tmp_path / "backend/errors.py").write_text("class TakeError(Exception):\n    pass\n")
    (tmp_path / "operators/some.py").write_text(source)
    assert list(sentences(tmp_path)) == expected


def test_only_lists_of_the_page_count():
    page = "# One\n\nText - not this.\n\n- A sentence that\n  goes on\n- Another one\n\nMore.\n"
    assert on_page(page) == {"A sentence that goes on", "Another one"}


def _page() -> str:
    return PAGE.read_text(encoding="utf-8")
