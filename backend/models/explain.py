"""What a plan decides, in an artist's words, for a panel and for `plan --explain`.

Pure text from the card, the shot, the plan and its settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from ..wire import Shot
from .card import Card, FrameRule, Value
from .memory import AUTO, CUDA, EXACT, find_plan
from .plan import Plan, Window

_WORDS_A_TOKEN = 0.75  # of English, about
_SMALL = 2  # times fewer pixels than a model was made for, from where it is said
_LISTED = 6  # frames that are named one by one; of more, the first ones and the last
_COMPILED = (
    "It takes a GPU that all of the model stays on, as it is; anywhere else the take is made"
    " without, and says so."
)


@dataclass(frozen=True, slots=True)
class Statement:
    """Sentences about one thing that was decided."""

    topic: str
    text: str


def takes_shots_whole(card: Card) -> bool:
    """Return whether a model makes any shot frame by frame at its own size, without windows."""
    return card.frame_rule == FrameRule() and card.size_multiple == 1 and card.native_size is None


def summary(card: Card, shot: Shot, plan: Plan) -> str:
    """Return a plan in one line."""
    what = f"{card.id}: {_count(shot.frames, 'frame')} of {_size(shot.size)}"
    if takes_shots_whole(card):
        return f"{what}, in one go at the shot's own size."
    lengths = [len(window.frames) for window in plan.windows]
    if len(lengths) == 1:
        how = f"in one window of {lengths[0]}"
    elif min(lengths) == max(lengths):
        how = f"in {len(lengths)} windows of {lengths[0]}"
    else:
        how = f"in {len(lengths)} windows of {min(lengths)} to {max(lengths)}"
    return f"{what}, {how} at {_size(plan.fit.model)}."


def explanation(
    card: Card, shot: Shot, plan: Plan, *, settings: Mapping[str, Value], device: str = ""
) -> tuple[Statement, ...]:
    """Return everything that a plan decides, and what of the shot the model does not use.

    Args:
        card: The model.
        shot: The shot.
        plan: What `make_plan` makes of the two.
        settings: A value for every setting of the card.
        device: Torch's name of what it would work on; "" where that was not looked at.
    """
    if takes_shots_whole(card):
        statements = [Statement("Size", _own_size(shot))]
    else:
        statements = [
            Statement("Size", " ".join(_sizes(card, plan, settings))),
            Statement("Frame rate", _rate(card, shot, every=int(settings.get("every", 1)))),
            Statement("Windows", " ".join(_windows(card, plan, settings))),
        ]
        if len(plan.windows) > 1:
            statements += [
                Statement(f"Window {number}", _window(number, window, shot))
                for number, window in enumerate(plan.windows, start=1)
            ]
    if plan.projected:
        statements.append(Statement("Between", _between(shot, plan)))
    if card.control is not None:
        statements.append(Statement("Depth", " ".join(_depth(card, shot, settings))))
    if card.takes_prompt:
        statements.append(Statement("Words", " ".join(_words(card, shot, settings))))
    left_out = list(unused(card, shot, settings=settings))
    if settings.get("compile"):
        if idle := _not_compiled(settings, device):
            left_out.append(idle)
        else:
            statements.append(Statement("Compile", _COMPILED))
    not_used = " ".join(left_out) or "Nothing: the model uses all of the shot."
    statements.append(Statement("Not used", not_used))
    return tuple(statements)


def unused(card: Card, shot: Shot, *, settings: Mapping[str, Value]) -> tuple[str, ...]:
    """Return a sentence for everything in a shot, or set, that changes nothing for a model."""
    return tuple(_unused(card, shot, settings))


def _own_size(shot: Shot) -> str:
    frames = "The frame is" if shot.frames == 1 else f"All {shot.frames} frames are"
    return (
        f"{frames} made at the shot's own size, {_size(shot.size)}, in one go: nothing is scaled,"
        " cut off or filled up."
    )


def _sizes(card: Card, plan: Plan, settings: Mapping[str, Value]) -> Iterator[str]:
    fit = plan.fit
    if fit.inner == fit.shot:
        yield f"The model works at the shot's own {_size(fit.shot)}."
        if card.native_size is not None and _SMALL * prod(fit.shot) < prod(card.native_size):
            yield (
                f"That is far smaller than the {_size(card.native_size)} it was made for, so what"
                " it makes may be poor; any other 'size' enlarges the shot for it."
            )
    else:
        change = "reduced" if fit.inner[0] < fit.shot[0] else "enlarged"
        share = max(inner / side for inner, side in zip(fit.inner, fit.shot, strict=True))
        words = f"'size' is {settings['size']}" if "size" in settings else "it was made for that"
        yield (
            f"The shot's {_size(fit.shot)} is {change} to {_size(fit.inner)} ({share:.0%}) for the"
            f" model ({words})."
        )
    units = ("column", "column", "row", "row")
    places = ("on the left", "on the right", "above", "below")
    added = [
        f"{_count(number, unit)} {place}"
        for unit, place, number in zip(units, places, fit.padding, strict=True)
        if number
    ]
    if added:
        yield (
            f"Its border is repeated to come to {_size(fit.model)}, because width and height have"
            f" to be multiples of {card.size_multiple}: {_listed(added)}, which are cut off again."
        )
    if fit.inner != fit.shot:
        again = "enlarged" if fit.inner[0] < fit.shot[0] else "reduced"
        yield f"What is made is {again} to {_size(fit.shot)}."
    if settings.get("lock"):
        yield "What a still shows is kept at the shot's size."


def _rate(card: Card, shot: Shot, *, every: int) -> str:
    made = shot.fps / every
    shown = f"The shot has {shot.fps:g} frames a second"
    if every > 1:
        shown += f", of which the model makes {made:g}"
    if card.fps is None:
        return f"{shown}; the model was made for any rate."
    if abs(made - card.fps) < 0.01:
        return f"{shown}, as the model was made for."
    return (
        f"{shown}; the model was made for {card.fps:g}. No frame is added or left out for that, so"
        " the camera keeps its path and time, but what moves by itself (water, leaves) may come out"
        f" about {made / card.fps:.2g} times as fast as it should."
    )


def _windows(card: Card, plan: Plan, settings: Mapping[str, Value]) -> Iterator[str]:
    rule, windows = card.frame_rule, plan.windows
    most = settings.get("window", rule.most)
    if rule.multiple > 1:
        lengths = ", ".join(str(rule.multiple * k + rule.offset) for k in (1, 2, 3))
        end = f" up to {most}" if most else ""
        yield f"The model makes {lengths}, … frames at once{end}."
    longest = max(len(window.frames) for window in windows)
    if rule.most is not None and longest > rule.most:
        yield (
            f"{longest} frames at once are more than the {rule.most} that it was made for: it may"
            " repeat itself or lose what it was shown."
        )
    new = sum(len(window.new) for window in windows)
    if len(windows) == 1:
        yield f"{'One frame is' if new == 1 else f'All {new} frames are'} made in one window."
        if padded := windows[0].padded:
            yield f"The last one is repeated {_times(padded)} to fill up, which is dropped again."
        return
    kept = windows[1].kept
    begins = f"begins with {_count(kept, 'frame')} of the one before, so that motion goes on"
    yield (
        f"{new} frames are made in {len(windows)} windows, one after the other; each but the first"
        f" {begins if kept else 'begins anew, which may show'}. In all {plan.model_frames} frames"
        " are worked on."
    )


def _window(number: int, window: Window, shot: Shot) -> str:
    parts = []
    if window.kept:
        kept = _frames(window.frames[: window.kept], shot)
        parts.append(f"{kept} {_are(window.kept)} taken over from window {number - 1}")
    parts.append(f"{_frames(window.new, shot)} {_are(len(window.new))} new")
    if window.padded:
        last = shot.frame(window.new[-1])
        parts.append(
            f"frame {last} is repeated {_times(window.padded)} to fill up, which is dropped again"
        )
    return f"{_count(len(window.frames), 'frame')}: {'; '.join(parts)}."


def _between(shot: Shot, plan: Plan) -> str:
    numbers = [str(shot.frame(index)) for index in plan.projected]
    if len(numbers) > _LISTED:
        numbers = [*numbers[: _LISTED - 1], "…", numbers[-1]]
    many = len(plan.projected)
    return (
        f"The model does not make {_count(many, 'frame')} ({', '.join(numbers)}): {_they(many)}"
        " filled by projecting the frames before and after, with the known depth and cameras. The"
        " first and the last frame and those of stills are always made."
    )


def _depth(card: Card, shot: Shot, settings: Mapping[str, Value]) -> Iterator[str]:
    if settings.get("guidance_mode") == "projection":
        yield (
            "The model is not shown depth, because 'guidance_mode' is projection; depth moves the"
            " still's pixels."
        )
        return
    near, far = ("white", "black") if card.control.near_is_white else ("black", "white")
    levels = f"in {card.control.bits} bits" if card.control.bits else "not rounded to 8 bits"
    yield f"The model is shown inverse depth as a picture: near is {near}, far is {far}, {levels}."
    nearest, farthest = (float(settings.get(name, 0)) for name in ("depth_near", "depth_far"))
    if nearest and farthest:
        yield f"Its range is locked: {nearest:g} m to {farthest:g} m, in every frame."
    elif nearest:
        yield f"Nearest is locked to {nearest:g} m; farthest is the shot's own, in every frame."
    elif farthest:
        yield f"Farthest is locked to {farthest:g} m; nearest is the shot's own, in every frame."
    else:
        yield (
            "Its range is one for all frames, that of the whole shot but for a thousandth of the"
            " pixels at either end."
        )
    known = sum(path is not None for path in shot.guide("depth"))
    if known < shot.frames:
        yield (
            f"Depth is known in {known} of {shot.frames} frames; in the others it is the stills',"
            " moved along the camera's path."
        )


def _words(card: Card, shot: Shot, settings: Mapping[str, Value]) -> Iterator[str]:
    counts = [len(words.split()) for words in (shot.prompt, shot.negative_prompt)]
    own = card.negative_prompt and not shot.negative_prompt
    said = "is none" if own else f"has {_count(counts[1], 'word')}"
    yield f"The prompt has {_count(counts[0], 'word')}; the negative one {said}."
    if own and is_guided(settings):
        yield f"So the model's own is used: “{card.negative_prompt}”."
    if card.tokens is None:
        return
    about = int(card.tokens * _WORDS_A_TOKEN)
    read = f"The model reads {card.tokens} tokens of each, which are about {about} English words"
    if max(counts) > about:
        yield f"{read}: what is beyond is left out, and the take says which words."
    else:
        yield f"{read}."


def is_guided(settings: Mapping[str, Value]) -> bool:
    """Whether prompt guidance is on, without which negative words change nothing."""
    return settings.get("fast") is not True and float(settings.get("guidance", 1)) > 1


def _not_compiled(settings: Mapping[str, Value], device: str) -> str:
    """Return why the model would not be compiled, as `video.quick` decides; "" if it may be."""
    if device and device.partition(":")[0] != CUDA:
        return f"'compile' has no effect on the device '{device}': the take is made without."
    plan = find_plan(str(settings.get("memory", AUTO)))
    if plan is not None and (plan.offload or plan.bits < EXACT):
        return f"'compile' has no effect while 'memory' is {plan.id}: the take is made without."
    return ""


def _unused(card: Card, shot: Shot, settings: Mapping[str, Value]) -> Iterator[str]:
    taken = _listed(card.guides) if card.guides else "no guides"
    for name, paths in shot.guides.items():
        if name not in card.guides and any(path is not None for path in paths):
            yield f"The guide '{name}' is not used: the model takes {taken}."
    stills = len(shot.stills)
    if card.stills is not None and stills > card.stills:
        yield f"Of {stills} stills {card.stills} {_are(card.stills)} used: the model takes no more."
    if not card.follows_camera:
        yield "The camera's path is not used: the model moves the view as it likes."
    if (shot.prompt or shot.negative_prompt) and not card.takes_prompt:
        yield "The prompt is not used: the model takes no words."
    if card.takes_prompt and shot.negative_prompt and not is_guided(settings):
        yield "The negative prompt is not used: there is no prompt guidance."
    if shot.seed and not card.takes_seed:
        yield "The seed is not used: the model makes the same with any."
    feather = next((each.default for each in card.settings if each.name == "feather"), None)
    if settings.get("lock") == 0 and settings.get("feather") not in (None, 0, feather):
        yield "'feather' has no effect while 'lock' is 0: nothing of the still is kept."
    for setting in card.settings:
        idle = bool(setting.unless) and settings.get(setting.unless) is True
        if idle and settings.get(setting.name) != setting.default:
            yield f"'{setting.name}' has no effect while '{setting.unless}' is on."


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _they(number: int) -> str:
    return "it is" if number == 1 else "they are"


def _listed(words: Sequence[str]) -> str:
    """Return words as a sentence lists them: "a, b and c"."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _frames(indices: Sequence[int], shot: Shot) -> str:
    """Return frames in words, by Blender's numbers."""
    first, last = shot.frame(indices[0]), shot.frame(indices[-1])
    if first == last:
        return f"frame {first}"
    if last - first + 1 == len(indices):
        return f"frames {first} to {last}"
    return f"{len(indices)} of frames {first} to {last}"
