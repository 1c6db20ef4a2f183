"""The realtime addresses, for the table of all endpoints."""

from __future__ import annotations

from gateway.dialects.realtime import schema
from gateway.dialects.realtime.connection import serve_realtime
from gateway.reference.asyncapi import Channel, Frame

CLIENT = (
    Frame("session.update", schema.SessionUpdateEvent),
    Frame("append", schema.AppendEvent),
    Frame("commit", schema.CommitEvent),
    Frame("clear", schema.ClearEvent),
)
SERVER = (
    Frame("session.created", schema.SessionEvent),
    Frame("speech_started", schema.SpeechStartedEvent),
    Frame("speech_stopped", schema.SpeechStoppedEvent),
    Frame("committed", schema.CommittedEvent),
    Frame("item", schema.ItemAnnouncedEvent),
    Frame("cleared", schema.ClearedEvent),
    Frame("delta", schema.RealtimeDelta),
    Frame("completed", schema.RealtimeCompleted),
    Frame("failed", schema.RealtimeFailed),
    Frame("realtime-error", schema.RealtimeError),
)
DESCRIPTION = (
    "Transcription sessions of OpenAI's Realtime protocol, under its names of today, or under those of the beta for "
    "clients that send `OpenAI-Beta: realtime=v1`, the sub-protocol `openai-beta.realtime-v1` or "
    "`transcription_session.update`. A key may come in the sub-protocol `openai-insecure-api-key.KEY`. A refusal "
    "answers the handshake with its status."
)

CHANNELS = tuple(
    Channel(
        path,
        serve_realtime,
        name,
        "Transcribe speech while it is spoken, as OpenAI's API does",
        description=DESCRIPTION,
        query=schema.RealtimeQuery,
        client=CLIENT,
        server=SERVER,
        close_codes=schema.REALTIME_CLOSE_CODES,
    )
    # The second address is that of programs which put `ws` in front of the one that they send recordings to.
    for path, name in (("/v1/realtime", "realtime"), ("/v1/audio/transcriptions", "realtimeTranscriptions"))
)
