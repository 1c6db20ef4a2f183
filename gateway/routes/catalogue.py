"""GET /v1/models and /v1/languages: what can be asked for."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.api.catalogue import LanguageEntry, LanguageList, ModelCard, ModelList
from gateway.dialects.openai.models import model_objects
from gateway.services import services_of
from speech import languages


async def list_models(request: Request) -> Response:
    models = services_of(request).models
    cards: list[ModelCard] = [
        {
            "id": model.id,
            "name": model.name,
            "languages": model.languages,
            "speed": model.speed,
            "description": models.description(model),
            "deployed": model in models.deployed,
        }
        for model in models.listed()
    ]
    # One object for the contract's clients and for OpenAI's: each reads its own fields.
    answer: ModelList = {"models": cards, "object": "list", "data": model_objects(models)}
    return JSONResponse(answer)


async def list_languages(request: Request) -> Response:
    entries: list[LanguageEntry] = [{"code": code, "name": name} for code, name in sorted(languages.NAMES.items())]
    answer: LanguageList = {"languages": entries}
    return JSONResponse(answer)
