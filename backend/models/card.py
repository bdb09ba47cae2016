"""What is known of a model before anything is loaded: its card.

Panels and the command line read it, so this needs the standard library alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from .looks import LatentColours
from .setting import Ordered, Setting, Value, check_values

LOADING = "loading the model"  # a phase that no card names: it has no share of the work
SourceType = Literal["algorithmicMedia", "compositeWithTrainedAlgorithmicMedia"]


@dataclass(frozen=True, slots=True)
class FrameRule:
    """Numbers of frames a model can make: `multiple` * k + `offset` with k >= 1, at most `most`."""

    multiple: int = 1
    offset: int = 0
    most: int | None = None

    def to_json(self) -> dict[str, object]:
        """Return the JSON object of this rule."""
        return {"multiple": self.multiple, "offset": self.offset, "most": self.most}


@dataclass(frozen=True, slots=True)
class Hub:
    """Where weights are downloaded from once: a repository of the Hugging Face hub.

    Attributes:
        repository: "owner/name"; the card's `revision` is the pinned commit in it.
        files: Patterns (fnmatch) of the files that are needed; safetensors, JSON and tokenizers.
        bytes: Size of these files together.
        licence_url: Where the licence can be read that has to be accepted.
        gated: Whether the owner gives them only to accounts that asked.
        further: Pages of other licences that parts of them are under.
        pipeline: Class that the pipeline's index has to name; "" for files without one.
    """

    repository: str
    files: tuple[str, ...]
    bytes: int
    licence_url: str
    gated: bool = False
    further: tuple[str, ...] = ()
    pipeline: str = ""

    def to_json(self) -> dict[str, object]:
        """Return the JSON object of this source."""
        return {
            "repository": self.repository,
            "licence_url": self.licence_url,
            "further_licences": list(self.further),
            "gated": self.gated,
        }


@dataclass(frozen=True, slots=True)
class Blocks:
    """The shape of a diffusion transformer: its work and its memory follow from it.

    Attributes:
        width: Channels of a token.
        inner: Channels inside a block's feed-forward network.
        blocks: How many blocks a forward goes through, those of a control branch among them.
        hints: How many results of a control branch are held until the others have used them.
    """

    width: int
    inner: int
    blocks: int
    hints: int = 0


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """The shape of what turns pictures into latents and back, several frames at a time.

    Attributes:
        width: Channels at the picture's full size.
        encode: The most that lives while it encodes, in pictures of `width` channels.
        decode: The same while it decodes.
        space: Pixels of a latent's side.
        time: Frames of a latent.
        tile: Side of a tile in pixels, where it works in tiles; None if it cannot.
    """

    width: int
    encode: float
    decode: float
    space: int = 8
    time: int = 4
    tile: int | None = 256


@dataclass(frozen=True, slots=True)
class Layers:
    """The memory and work of a diffusion network whose layers are of many kinds (a UNet).

    Attributes:
        held: The most values that live while it works, for a square of 2 x 2 latents of a frame.
        block: Parameters of the largest block that can wait outside the GPU on its own.
        outside: Parameters outside such blocks.
        layer: Parameters of its largest layer.
        token: FLOP of one forward for each such square; 0 where it was not counted.
        pair: And for each two squares of the same frame, which look at each other.
        across: And for each two squares of all frames, where they do.
        in_full: Whether much of that is in 32 bits, which takes longer than a GPU's rate says.
    """

    held: int
    block: int
    outside: int
    layer: int
    token: float = 0.0
    pair: float = 0.0
    across: float = 0.0
    in_full: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One network of a model: its name in the pipeline, its parameters, and its shape if known."""

    name: str
    parameters: int
    shape: Blocks | Layers | Autoencoder | None = None


@dataclass(frozen=True, slots=True)
class Distillation:
    """A LoRA with which a model needs few steps and no guidance: the setting `fast` takes it.

    Attributes:
        hub: Where it comes from: one file.
        revision: Pinned commit of that repository; "" where none was checked.
        licence: Its own, which may be another than the model's.
        steps: How many it was made for.
        shift: Of the noise, whatever the size.
        folder: The very folder it is loaded from, as of `Card`.
    """

    hub: Hub
    revision: str
    licence: str
    steps: int
    shift: float
    folder: Path | None = None

    @property
    def file(self) -> str:
        """Path of the file in its folder."""
        return self.hub.files[0]


@dataclass(frozen=True, slots=True)
class Control:
    """What a picture of depth looks like that a model was trained with.

    Attributes:
        near_is_white: Else black is near.
        bits: Levels that it is rounded to, 0 for none: a model takes what is not rounded as well,
            and 8 bits show as steps on a floor.
    """

    near_is_white: bool = True
    bits: int = 0


@dataclass(frozen=True, slots=True)
class Card:
    """One model of a family, known before anything is loaded.

    Attributes:
        id: What `--model` takes.
        label: Its name in menus.
        family: Name of its folder under `backend/models`.
        summary: One sentence: what it does and for whom.
        licence: SPDX identifier or name of the licence of its weights (of its code, without any).
        revision: Pinned revision of its weights (those that ship: `weights.fingerprint`), or the
            version of its code.
        guides: Guides it uses, most important first.
        stills: How many stills it uses at most, None for all.
        settings: What an artist can set.
        rules: Which values of these go together.
        size_multiple: Width and height have to be multiples of this; 1 for any.
        frame_rule: Which numbers of frames it can make.
        overlap: Frames that a window takes over from the one before, where no setting says so.
        fps: Frame rate it was made for, None for any.
        native_size: Width and height it was made for, whose area is the most it is asked for; None
            for any.
        hub: Where its weights come from; None for those that ship, or for none.
        parts: Its networks, in the order in which they work.
        fast: What makes it need few steps; None where nothing does.
        four_bits: Whether its transformers can be held in 4 bits: only matrices can, so a network
            with many convolutions would be larger so than in 8.
        control: How it is shown depth; None where it is shown none.
        looks: What its latents look like; None where there is no look at what it is making.
        learned: Whether it generates with trained weights (decides the digital source type).
        takes_prompt: Whether the shot's words change what it makes.
        negative_prompt: What it takes as not wanted where an artist says nothing of that.
        tokens: Of words that it reads at most, what is wanted and what is not each; None for any.
        takes_seed: Whether the seed does.
        follows_camera: Whether what it makes is seen from the shot's cameras.
        folder: The very folder that its weights are loaded from, see `weights.as_installed`; None
            while that is not decided.
        phases: The parts of its work that it reports, in order, each with its share of the time;
            the shares add up to 1.
    """

    id: str
    label: str
    family: str
    summary: str
    licence: str
    revision: str
    guides: tuple[str, ...]
    settings: tuple[Setting, ...]
    learned: bool
    rules: tuple[Ordered, ...] = ()
    takes_prompt: bool = False
    negative_prompt: str = ""
    tokens: int | None = None
    takes_seed: bool = False
    phases: tuple[tuple[str, float], ...] = ()
    size_multiple: int = 1
    frame_rule: FrameRule = FrameRule()
    fps: float | None = None
    native_size: tuple[int, int] | None = None
    hub: Hub | None = None
    parts: tuple[Part, ...] = ()
    fast: Distillation | None = None
    four_bits: bool = False
    control: Control | None = None
    looks: LatentColours | None = None
    stills: int | None = None
    overlap: int = 0
    follows_camera: bool = True
    folder: Path | None = None

    def share_done(self, phase: str, done: int, total: int) -> float | None:
        """Return how much of all its work is done, 0 to 1, when `done` of `total` of `phase` are.

        None for a phase that the card does not name.
        """
        before = 0.0
        for name, share in self.phases:
            if name == phase:
                return min(1.0, before + share * min(done / max(total, 1), 1.0))
            before += share
        return None

    @property
    def ships_weights(self) -> bool:
        """Whether its weights lie in the family's folder; `revision` is then their fingerprint."""
        return self.learned and self.hub is None

    @property
    def download_bytes(self) -> int:
        """Size of what has to be downloaded once, 0 for nothing."""
        return 0 if self.hub is None else self.hub.bytes

    @property
    def fast_card(self) -> Card:
        """What is downloaded for `fast`, as a card of its own; only where there is one."""
        return replace(
            self,
            id=f"{self.id}-fast",
            label=f"{self.label}, {self.fast.steps} steps",
            licence=self.fast.licence,
            revision=self.fast.revision,
            hub=self.fast.hub,
            parts=(),
            fast=None,
            folder=self.fast.folder,
        )

    @property
    def parameters(self) -> int:
        """How many parameters its networks have together, 0 where the card does not say."""
        return sum(part.parameters for part in self.parts)

    @property
    def digital_source_type(self) -> SourceType:
        """IPTC DigitalSourceType of frames this model makes."""
        return "compositeWithTrainedAlgorithmicMedia" if self.learned else "algorithmicMedia"

    def check_settings(self, values: Mapping[str, object]) -> dict[str, Value]:
        """Return a value for every setting: those given, checked, and defaults for the rest.

        Raises:
            SettingError: a name this model does not have, a value its setting does not allow, or
                two that do not go together.
        """
        return check_values(self.settings, self.rules, values, whose=self.id)

    def to_json(self) -> dict[str, object]:
        """Return the JSON object shown by `models --json` and the server."""
        return {
            "id": self.id,
            "label": self.label,
            "family": self.family,
            "summary": self.summary,
            "licence": self.licence,
            "download_bytes": self.download_bytes,
            "revision": self.revision,
            "guides": list(self.guides),
            "learned": self.learned,
            "digital_source_type": self.digital_source_type,
            "takes_prompt": self.takes_prompt,
            "negative_prompt": self.negative_prompt,
            "takes_seed": self.takes_seed,
            "size_multiple": self.size_multiple,
            "frame_rule": self.frame_rule.to_json(),
            "fps": self.fps,
            "native_size": None if self.native_size is None else list(self.native_size),
            "parameters": self.parameters,
            "hub": None if self.hub is None else self.hub.to_json(),
            "looks": self.looks is not None,
            "fast_steps": None if self.fast is None else self.fast.steps,
            "settings": [setting.to_json() for setting in self.settings],
        }
