import pytest

from gateway.errors import BadParameter, Unavailable
from gateway.models import KNOWN, OTHER_SERVICES, Models, UnknownModel
from speech.tensors import Task


def test_a_deployed_model_answers_for_itself() -> None:
    models = Models(["base", "small"], stand_in="base")

    assert models.resolve("small").id == "small"


def test_the_stand_in_answers_for_known_models_that_are_not_deployed() -> None:
    models = Models(["base"], stand_in="base")

    assert models.resolve("large-v3-turbo").id == "base"


def test_without_a_stand_in_an_undeployed_model_is_away() -> None:
    with pytest.raises(Unavailable, match="deployed: base"):
        Models(["base"], stand_in="").resolve("large-v3")


def test_an_unknown_name_is_refused_with_what_is_accepted() -> None:
    with pytest.raises(BadParameter, match="accepted are large-v3-turbo, large-v3, medium, small, base"):
        Models(["base"], stand_in="base").resolve("huge")


def test_the_published_models_and_the_deployed_ones_are_listed() -> None:
    listed = Models(["base", "small"], stand_in="base").listed()

    assert [model.id for model in listed] == ["large-v3-turbo", "large-v3", "medium", "small", "base"]


@pytest.mark.parametrize(("deployed", "stand_in"), [(["bass"], ""), (["base"], "tiny")])
def test_settings_that_name_no_model_are_refused(deployed: list[str], stand_in: str) -> None:
    with pytest.raises(UnknownModel):
        Models(deployed, stand_in)


def test_names_of_other_services_ask_for_no_model_in_particular() -> None:
    models = Models(["base", "small"], stand_in="small")

    assert {models.resolve(name).id for name in ("", *OTHER_SERVICES)} == {"small"}
    assert [models.stand_in_warning(name) for name in OTHER_SERVICES] == [[]] * len(OTHER_SERVICES)


def test_a_model_has_other_names() -> None:
    models = Models(["base", "small"], stand_in="base")

    assert models.resolve("openai/whisper-small").id == models.resolve("whisper-small").id == "small"
    assert models.stand_in_warning("whisper-large-v3") == models.stand_in_warning("large-v3") != []


@pytest.mark.parametrize(("name", "answers"), [("", "large-v3"), ("whisper-1", "large-v3"), ("base", "base")])
def test_a_translation_is_done_by_a_model_that_can(name: str, answers: str) -> None:
    models = Models(["large-v3-turbo", "large-v3", "base"], stand_in="base")

    assert models.resolve(name, Task.TRANSLATE).id == answers


@pytest.mark.parametrize(
    ("deployed", "stand_in", "name"),
    [
        ("large-v3-turbo", "", "large-v3-turbo"),
        ("base", "base", "large-v3-turbo"),  # though its stand-in could: it was asked for by name
        ("base", "base", "small.en"),
        ("base.en", "base.en", "small"),
        ("large-v3-turbo", "", ""),
    ],
)
def test_a_model_that_cannot_translate_is_refused_with_those_that_can(deployed: str, stand_in: str, name: str) -> None:
    with pytest.raises(BadParameter, match="translate; accepted are large-v3, medium, small") as refused:
        Models([deployed], stand_in).resolve(name, Task.TRANSLATE)

    assert refused.value.parameter == "model"


def test_a_language_that_the_weights_lack_is_refused() -> None:
    KNOWN["base"].check_language("zh")
    KNOWN["large-v3-turbo"].check_language("yue")
    with pytest.raises(BadParameter, match="large-v3-turbo do"):
        KNOWN["base"].check_language("yue")
    with pytest.raises(BadParameter, match="English alone, not German"):
        KNOWN["base.en"].check_language("de")
