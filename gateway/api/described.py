"""How a TypedDict becomes a JSON schema: the texts below its fields are their descriptions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from pydantic.json_schema import JsonSchemaMode

Schema = dict[str, Any]
REFERENCE = "#/components/schemas/{model}"  # in both documents

described = with_config(ConfigDict(use_attribute_docstrings=True))

Seconds = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]

# Formats of our own: a test that makes up requests knows by them what may stand there.
ModelName = Annotated[str, Field(json_schema_extra={"format": "whisper-model"})]
LanguageName = Annotated[str, Field(json_schema_extra={"format": "language"}, examples=["auto", "en", "german"])]


def schemas(models: Iterable[type]) -> dict[str, Schema]:
    """The schema of each model and of what they consist of, by class name."""
    models = list(models)
    inputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (model.__name__, "serialization", TypeAdapter(model)) for model in models
    ]
    _, definitions = TypeAdapter.json_schemas(inputs, ref_template=REFERENCE)
    found: dict[str, Schema] = definitions["$defs"]
    for model in models:
        _describe_inherited(model, found[model.__name__])
    return {name: _tidied(schema) for name, schema in sorted(found.items())}


def _describe_inherited(model: type, schema: Schema) -> None:
    """The texts below the fields of the model that it extends; pydantic sees only the model's own."""
    for base in getattr(model, "__orig_bases__", ()):
        if not hasattr(base, "__required_keys__"):
            continue
        for name, inherited in TypeAdapter(base).json_schema(mode="serialization")["properties"].items():
            if "description" in inherited:
                schema["properties"][name].setdefault("description", inherited["description"])


def schema_of(content: type | Schema) -> Schema:
    """A reference to a model, or the schema itself."""
    return content if isinstance(content, dict) else {"$ref": REFERENCE.format(model=content.__name__)}


def in_one_line(text: str | None) -> str:
    """A docstring as a description."""
    return " ".join((text or "").split())


def _tidied(schema: Any) -> Any:
    """Without titles, which repeat the names of the fields, and with descriptions in one line."""
    if isinstance(schema, list):
        return [_tidied(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _tidied(each) for name, each in schema.items() if name != "title" or isinstance(each, dict)}
    if isinstance(kept.get("description"), str):
        kept["description"] = in_one_line(kept["description"])
    return kept
