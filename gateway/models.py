"""The Whisper models that the API knows by name, which of them are deployed, and the stand-in for the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.api.catalogue import Speed
from gateway.errors import BadParameter, ModelNotFound, Unavailable
from speech.languages import NAMES
from speech.tensors import Task

DEFAULT_MODEL = "large-v3-turbo"
CANTONESE = "yue"  # came with large-v3


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    name: str
    speed: Speed
    description: str
    languages: int = 99

    @property
    def can_translate(self) -> bool:
        """Into English. The English models were not trained for it, nor was large-v3-turbo."""
        return self.languages > 1 and self.id != "large-v3-turbo"

    def knows(self, language: str) -> bool:
        """language: ISO 639-1"""
        try:
            self.check_language(language)
        except BadParameter:
            return False
        return True

    def check_language(self, language: str) -> None:
        """Raises BadParameter for one that its weights do not have."""
        if self.languages == 1 and language != "en":
            name = NAMES[language].capitalize()
            raise BadParameter(f"The model {self.id} knows English alone, not {name}.", "language")
        if language == CANTONESE and not self.id.startswith("large-v3"):
            raise BadParameter(
                f"The model {self.id} does not know Cantonese; large-v3 and large-v3-turbo do. Others hear it as "
                "Chinese: `language=zh`.",
                "language",
            )


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

# Names of other services' models, which many programs send whatever is served. They ask for no model in particular.
OTHER_SERVICES = (
    "whisper-1",
    "gpt-transcribe",
    "gpt-4o-transcribe",
    "gpt-4o-transcribe-diarize",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-live-transcribe",
    "gpt-realtime-whisper",
)
SAME_MODEL = {  # other names of models → ids
    "turbo": "large-v3-turbo",
    "large": "large-v3",
    **{f"whisper-{name}": name for name in KNOWN},
    **{f"openai/whisper-{name}": name for name in KNOWN},
}


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

    def resolve(self, name: str = "", task: Task = Task.TRANSCRIBE) -> Model:
        """The deployed model that serves requests for `name`: itself or the stand-in.

        name: an id, another name of a model, or one that asks for none in particular; a translation is then done
        by any model that can
        raises: ModelNotFound, Unavailable if neither it nor a stand-in is deployed, BadParameter if it cannot translate
        """
        model = self.find(name)
        if task is Task.TRANSCRIBE:
            return self._serving(model or KNOWN[DEFAULT_MODEL])
        if model is None:
            default = KNOWN[DEFAULT_MODEL]
            first = default if default in self.deployed else self.stand_in
            able = [each for each in (first, *self.deployed) if each is not None and each.can_translate]
            if able:
                return able[0]
        elif model.can_translate and (serving := self._serving(model)).can_translate:
            return serving
        accepted = ", ".join(each.id for each in self.listed() if each.can_translate)
        who = f"The model {model.id}" if model else "No model that is deployed here"
        verb = "cannot" if model else "can"
        raise BadParameter(f"{who} {verb} translate; accepted are {accepted}.", "model")

    def find(self, name: str) -> Model | None:
        """The model that a name means, deployed or not; None where it means none in particular.

        raises: ModelNotFound
        """
        if not name or name in OTHER_SERVICES:
            return None
        model = KNOWN.get(SAME_MODEL.get(name, name))
        if model is None:
            accepted = ", ".join(known.id for known in self.listed())
            raise ModelNotFound(f"There is no model {name[:40]!r}; accepted are {accepted}.", "model")
        return model

    def stand_in_warning(self, name: str) -> list[str]:
        """For an answer to somebody who asked for the model by its name."""
        model = KNOWN.get(SAME_MODEL.get(name, name))
        if model is None or model in self.deployed or self.stand_in is None:
            return []
        return [f"The model {model.id} is not deployed here; {self.stand_in.id} answered for it."]

    def listed(self) -> tuple[Model, ...]:
        """The published models, and whatever else is deployed here."""
        return PUBLISHED + tuple(model for model in self.deployed if model not in PUBLISHED)

    def description(self, model: Model) -> str:
        if model in self.deployed:
            return f"{model.description}."
        if self.stand_in is None:
            return f"{model.description}. Not deployed here."
        return f"{model.description}. Not deployed here: {self.stand_in.id} answers for it."

    def _serving(self, model: Model) -> Model:
        if model in self.deployed:
            return model
        if self.stand_in is None:
            here = ", ".join(deployed.id for deployed in self.deployed)
            raise Unavailable(f"The model {model.id} is not deployed here; deployed: {here}.", retry_after=3600)
        return self.stand_in
