"""A live client's config → how its sound is read, and how its speech is heard."""

from __future__ import annotations

from gateway.http.parameters import MAX_PROMPT, read_language, read_languages
from gateway.media.live_decoding import LiveDecoder
from gateway.requests.live import LiveOptions
from gateway.services import Services
from gateway.streaming.commands import StreamConfig
from gateway.streaming.incoming import ContainedSound, IncomingSound, SampledSound, Sink
from gateway.streaming.policy import turn_policy


async def open_sound(services: Services, config: StreamConfig, sink: Sink) -> IncomingSound:
    """Whoever opens it closes it."""
    if not config.container:
        return SampledSound(config.sound, sink)
    decoder = await LiveDecoder.start(services.media.ffmpeg, config.container, services.media.limits)
    return ContainedSound(config.container, decoder, sink)


def live_options(config: StreamConfig) -> LiveOptions:
    """raises: BadParameter"""
    return LiveOptions(
        model=config.model or "",
        language=read_language(config.language),
        languages=read_languages(config.languages),
        prompt=config.prompt[-MAX_PROMPT:],
        keyterms=config.keyterms,
        policy=turn_policy(config.turn, told=config.tells_turns),
    )
