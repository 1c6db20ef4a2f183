import pytest

from gateway.errors import BadParameter, Unavailable
from gateway.models import Models, UnknownModel


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
