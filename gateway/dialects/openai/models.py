"""The models as OpenAI's clients list them: ours under their ids, and OpenAI's names, which ask for the default."""

from __future__ import annotations

from gateway.api.catalogue import OpenAiModel
from gateway.models import OTHER_SERVICES, Models

PUBLISHED = {  # when OpenAI published the weights, in seconds since 1970
    "large-v3-turbo": 1727740800,  # 2024-10-01
    "large-v3": 1699228800,  # 2023-11-06
    "large-v2": 1670457600,  # 2022-12-08
}
OTHERS_PUBLISHED = 1663718400  # 2022-09-21


def model_objects(models: Models) -> list[OpenAiModel]:
    return [_object(name) for name in (*(model.id for model in models.listed()), *OTHER_SERVICES)]


def model_object(models: Models, name: str) -> OpenAiModel:
    """Under any name that requests may use. Raises ModelNotFound."""
    models.find(name)
    return _object(name)


def _object(name: str) -> OpenAiModel:
    created = 0 if name in OTHER_SERVICES else PUBLISHED.get(name, OTHERS_PUBLISHED)
    return {"id": name, "object": "model", "created": created, "owned_by": "stt", "shutdown_date": None}
