"""The Whisper models that the API knows by name, which of them are deployed, and the stand-in for the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.api.catalogue import Speed
from gateway.errors import BadParameter, Unavailable

DEFAULT_MODEL = "large-v3-turbo"


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    name: str
    speed: Speed
    description: str
    languages: int = 99


PUBLISHED = (
    Model("large-v3-turbo", "Whisper Large V3 Turbo", "fast", "Near large-v3's accuracy, much faster"),
    Model("large-v3", "Whisper Large V3", "standard", "The most accurate, the slowest"),
    Model("medium", "Whisper Medium", "fast", "Accurate, needs about half of large-v3's memory"),
    Model("small", "Whisper Small", "very_fast", "Fast, good for clear speech"),
)
OTHERS = (
    Model("large-v2", "Whisper Large V2", "standard", "The large model before large-v3"),
    Model("base", "Whisper Base", "very_fast", "Small enough for a laptop without a GPU"),
    Model("tiny", "Whisper Tiny", "very_fast", "The smallest, for trials"),
    Model("medium.en", "Whisper Medium English", "fast", "Medium for English alone", languages=1),
    Model("small.en", "Whisper Small English", "very_fast", "Small for English alone", languages=1),
    Model("base.en", "Whisper Base English", "very_fast", "Base for English alone", languages=1),
    Model("tiny.en", "Whisper Tiny English", "very_fast", "Tiny for English alone", languages=1),
)
KNOWN = {model.id: model for model in PUBLISHED + OTHERS}


class UnknownModel(ValueError):
    """A setting names a model that does not exist."""


class Models:
    """The deployed models, and the stand-in for those that are not."""

    def __init__(self, deployed: Sequence[str], stand_in: str) -> None:
        for name in (*deployed, *filter(None, [stand_in])):
            if name not in KNOWN:
                raise UnknownModel(f"there is no model {name!r}; known are {', '.join(KNOWN)}")
        if stand_in and stand_in not in deployed:
            here = ", ".join(deployed)
            raise UnknownModel(f"the stand-in {stand_in!r} is not among the deployed models: {here}")
        self.deployed = tuple(KNOWN[name] for name in deployed)
        self.stand_in = KNOWN.get(stand_in)

    def resolve(self, name: str) -> Model:
        """The deployed model that serves requests for `name`: itself or the stand-in.

        raises: BadParameter if the name is unknown, Unavailable if neither it nor a stand-in is deployed
        """
        model = KNOWN.get(name)
        if model is None:
            accepted = ", ".join(known.id for known in self.listed())
            raise BadParameter(f"There is no model {name[:40]!r}; accepted are {accepted}.")
        if model in self.deployed:
            return model
        if self.stand_in is None:
            here = ", ".join(deployed.id for deployed in self.deployed)
            raise Unavailable(f"The model {name} is not deployed here; deployed: {here}.", retry_after=3600)
        return self.stand_in

    def stand_in_warning(self, name: str) -> list[str]:
        """For an answer to somebody who asked for the model by its name."""
        if not name or name not in KNOWN or KNOWN[name] in self.deployed or self.stand_in is None:
            return []
        return [f"The model {name} is not deployed here; {self.stand_in.id} answered for it."]

    def listed(self) -> tuple[Model, ...]:
        """The published models, and whatever else is deployed here."""
        return PUBLISHED + tuple(model for model in self.deployed if model not in PUBLISHED)

    def description(self, model: Model) -> str:
        if model in self.deployed:
            return f"{model.description}."
        if self.stand_in is None:
            return f"{model.description}. Not deployed here."
        return f"{model.description}. Not deployed here: {self.stand_in.id} answers for it."
