"""A job asks for what the same form asks of POST /v1/transcribe."""

from __future__ import annotations

import pytest

from gateway.errors import BadParameter
from gateway.jobs.recording_options import deployed_model, recording_options
from gateway.models import Models
from speech.tensors import Task


def test_channels_and_key_terms_are_those_of_the_form() -> None:
    options = recording_options({"channels": "separate", "channel_names": "Agent, Customer", "keyterms": "Siobhan"})

    assert options.tracks.separate
    assert options.channel_names == ("Agent", "Customer")
    assert options.recognition.keyterms == ("Siobhan",)


@pytest.mark.parametrize("model", ["large-v3-turbo", "small.en"])
def test_a_translation_is_done_by_models_that_can(model: str) -> None:
    options = recording_options({"task": "translate"})
    assert options.recognition.task is Task.TRANSLATE
    assert deployed_model(Models(["base"], "base"), options).id == "base"

    with pytest.raises(BadParameter, match="translate; accepted are large-v3, medium, small"):
        deployed_model(Models(["base"], "base"), recording_options({"task": "translate", "model": model}))
