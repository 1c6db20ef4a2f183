from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack

import numpy as np
import pytest

from speech.audio import InvalidAudio
from speech.tensors import Priority, Task
from speech.transcript import WindowResult
from speech.whisper.batching.scheduler import Closed, Overloaded, Scheduler
from speech.whisper.batching.sequence import Request
from speech.whisper.batching.slot_allocator import AdmissionPolicy
from speech.whisper.engine import EngineError
from speech.whisper.special_tokens import CannotTranslate, UnknownLanguage
from speech.whisper.timing import LEAD, compile_timing
from speech.whisper.tokenizer import Tokenizer
from tests.unit.speech.whisper.speech_fakes import Circumstances, Line, Script, ScriptedEngine, says

Start = Callable[..., tuple[Scheduler, ScriptedEngine]]


@pytest.fixture(params=[0, 1], ids=["no lookahead", "lookahead 1"])
def start(request: pytest.FixtureRequest, multilingual: Tokenizer) -> Iterator[Start]:
    """Starts schedulers over scripted engines; closes them."""
    compile_timing()  # seconds, which no test should wait for in an answer
    with ExitStack() as stack:

        def begin(
            scripts: dict[int, Script], tokenizer: Tokenizer = multilingual, **options: object
        ) -> tuple[Scheduler, ScriptedEngine]:
            policy = options.pop("policy", None)
            on_device_lost = options.pop("on_device_lost", lambda: None)
            engine = ScriptedEngine(tokenizer, scripts, lookahead=request.param, **options)  # type: ignore[arg-type]
            scheduler = Scheduler(engine, tokenizer, policy, on_device_lost)  # type: ignore[arg-type]
            stack.callback(scheduler.close)
            stack.callback(engine.gate.set)
            return scheduler, engine

        yield begin


def window(name: int, seconds: float = 5.0, **fields: object) -> Request:
    audio = np.zeros(int(seconds * 16000), dtype=np.int16)
    audio[0] = name
    return Request(audio, **{"language": "en", **fields})  # type: ignore[arg-type]


def answer(future: Future[WindowResult]) -> WindowResult:
    return future.result(60)


def test_a_window_is_answered_with_its_words_and_their_times(start: Start) -> None:
    scheduler, _ = start({1: says(" Hello, world.")})
    result = answer(scheduler.submit(window(1)))
    assert result.text == "Hello, world."
    assert [word.text for word in result.words] == ["Hello,", "world."]
    # Every character is a token, the spaces too, and token n looks at 4 frames from 0.08 n on.
    assert result.words[0].start == pytest.approx(0.08 + LEAD, abs=0.05)
    assert result.words[1].start == pytest.approx(8 * 0.08 + LEAD, abs=0.05)
    assert result.words[1].end == pytest.approx(13 * 0.08 + LEAD, abs=0.05)
    assert result.words[0].confidence == pytest.approx(np.exp(-0.1), abs=1e-3)
    assert result.average_logprob == pytest.approx(-0.1)
    assert (result.language, result.language_probability, result.temperature) == ("en", 1.0, 0.0)


def test_many_windows_in_few_slots_each_get_their_own_text(start: Start) -> None:
    texts = {name: f"This is text {'and so forth'[: name % 12]} {name}" for name in range(1, 40)}
    scripts = {name: says(f" {text}") for name, text in texts.items()}
    scheduler, _ = start(scripts, slots=3)
    futures = {name: scheduler.submit(window(name)) for name in scripts}
    assert {name: " ".join(answer(future).text.split()) for name, future in futures.items()} == {
        name: " ".join(text.split()) for name, text in texts.items()
    }


def test_windows_that_wait_are_decoded_together(start: Start) -> None:
    scheduler, engine = start({1: says(" one"), 2: says(" two")})
    engine.gate.clear()
    futures = [scheduler.submit(window(name)) for name in (1, 2)]
    engine.wait_until_encoded()
    engine.gate.set()
    assert [answer(future).text for future in futures] == ["one", "two"]
    assert any(len(names) == 2 for names in engine.steps)


def test_the_language_is_detected_when_none_is_given(start: Start) -> None:
    scheduler, engine = start({1: says(" Hallo")})
    engine.language = "de"
    result = answer(scheduler.submit(window(1, language="")))
    assert (result.language, result.language_probability) == ("de", 0.9)


def test_a_detected_language_and_a_prompt_are_both_read_in_order(start: Start, multilingual: Tokenizer) -> None:
    seen: list[tuple[int, ...]] = []

    def script(how: Circumstances) -> Line:
        seen.append(how.prompt)
        return Line(" ok")

    scheduler, _ = start({1: script})
    answer(scheduler.submit(window(1, language="", prompt="Ada")))
    special = multilingual.special
    text = multilingual.encode(" Ada")
    assert seen == [(special.start_of_prompt, *text, *multilingual.sot_sequence("en"))]


def test_a_translation_is_asked_for_by_its_token_and_read_as_english(start: Start, multilingual: Tokenizer) -> None:
    prompts = []

    def script(how: Circumstances) -> Line:
        prompts.append(how.prompt)
        return Line(" two words")

    scheduler, _ = start({1: script})
    result = answer(scheduler.submit(window(1, language="ja", task=Task.TRANSLATE)))

    assert multilingual.special.translate in prompts[0] and multilingual.special.transcribe not in prompts[0]
    assert [word.text for word in result.words] == ["two", "words"]  # Japanese has a word a character
    assert result.language == "ja"


def test_an_english_only_model_cannot_translate(start: Start, english_only: Tokenizer) -> None:
    scheduler, _ = start({}, tokenizer=english_only)
    with pytest.raises(CannotTranslate):
        scheduler.submit(window(1, language="", task=Task.TRANSLATE))


def test_an_english_only_model_gets_no_language_token(start: Start, english_only: Tokenizer) -> None:
    seen: list[tuple[int, ...]] = []

    def script(how: Circumstances) -> Line:
        seen.append(how.prompt)
        return Line(" ok")

    scheduler, _ = start({1: script}, tokenizer=english_only)
    assert answer(scheduler.submit(window(1, language=""))).language == "en"
    assert seen == [(english_only.special.start_of_transcript, english_only.special.no_timestamps)]
    with pytest.raises(UnknownLanguage):
        scheduler.submit(window(1, language="de"))


def test_a_short_window_is_encoded_with_a_short_context(start: Start) -> None:
    scheduler, engine = start({1: says(" a"), 2: says(" b"), 3: says(" c")})
    for name, seconds in [(1, 1.0), (2, 20.0), (3, 30.0)]:
        answer(scheduler.submit(window(name, seconds)))
    assert engine.encodes == [[(1, 768)], [(2, 1128)], [(3, 1500)]]


def test_others_step_on_while_a_window_is_encoded_and_it_is_read_when_they_have_ended(start: Start) -> None:
    scheduler, engine = start({1: says(" this goes on"), 2: says(" next")})
    engine.encoding = {1}  # the slot that the second window gets
    engine.gate.clear()
    first = scheduler.submit(window(1))
    engine.wait_until_encoded(1)
    second = scheduler.submit(window(2))
    engine.gate.set()

    assert (answer(first).text, answer(second).text) == ("this goes on", "next")
    assert sorted(engine.steps) == engine.steps
    assert [1, 2] not in engine.steps
    assert engine.encodes[1:] == [[(2, 768)]]


def test_text_that_repeats_is_decoded_again_with_the_whole_context(start: Start) -> None:
    def script(how: Circumstances) -> Line:
        return Line(" All is well.") if how.context == 1500 else Line(" la la", endless=True)

    scheduler, engine = start({1: script})
    result = answer(scheduler.submit(window(1)))
    assert (result.text, result.temperature, result.truncated) == ("All is well.", 0.0, False)
    assert [name for call in engine.encodes for name in call] == [(1, 768), (1, 1500)]


def test_doubtful_text_is_tried_hotter_on_the_same_audio(start: Start) -> None:
    def script(how: Circumstances) -> Line:
        return Line(" Sure.") if how.temperature > 0.3 else Line(" Mumble.", logprob=-1.5)

    scheduler, engine = start({1: script})
    result = answer(scheduler.submit(window(1)))
    assert (result.text, result.temperature) == ("Sure.", 0.4)
    assert len(engine.encodes) == 1


def test_when_every_attempt_is_doubtful_the_likeliest_is_kept_with_its_own_times(start: Start) -> None:
    def script(how: Circumstances) -> Line:
        return Line(" best of all", -1.1) if how.temperature == 0.0 else Line(" x", -2.0 - how.temperature)

    scheduler, _ = start({1: script})
    result = answer(scheduler.submit(window(1)))
    assert (result.text, result.temperature) == ("best of all", 0.0)
    assert result.words[1].start == pytest.approx(6 * 0.08 + LEAD, abs=0.05)


def test_a_loop_that_nothing_breaks_is_told_once_and_marked(start: Start) -> None:
    scheduler, engine = start({1: lambda _: Line(" we go on", endless=True)})
    result = answer(scheduler.submit(window(1)))
    assert result.text == "we go on"
    assert result.truncated
    assert len(engine.steps) < 7 * 100  # seven attempts, none of them to the cap of 444 tokens


def test_the_token_cap_is_never_reached_unseen(start: Start) -> None:
    letters = np.random.default_rng(1).integers(97, 123, size=2000)
    text = " " + "".join(map(chr, letters))
    scheduler, _ = start({1: says(text)})
    result = answer(scheduler.submit(window(1, 30.0)))
    assert result.truncated
    assert result.text == text.strip()[:443]


def test_a_text_cut_short_by_a_long_prompt_is_decoded_again_without_it(start: Start) -> None:
    letters = np.random.default_rng(1).integers(97, 123, size=300)
    text = " " + "".join(map(chr, letters))
    scheduler, _ = start({1: says(text)})
    result = answer(scheduler.submit(window(1, 30.0, prompt="names " * 60)))
    assert result.text == text.strip()
    assert not result.truncated


def test_silence_is_answered_with_no_text(start: Start) -> None:
    scheduler, engine = start({1: says(" you", logprob=-1.4)})
    engine.no_speech = 0.9
    result = answer(scheduler.submit(window(1)))
    assert (result.text, result.words, result.no_speech_probability) == ("", (), 0.9)


def test_punctuation_alone_is_no_text(start: Start) -> None:
    scheduler, _ = start({1: says(" .")})
    assert answer(scheduler.submit(window(1))).text == ""


def test_live_windows_pass_files_that_wait(start: Start) -> None:
    scheduler, engine = start({1: says(" long one"), 2: says(" file"), 9: says(" live")}, slots=1)
    engine.gate.clear()
    running = scheduler.submit(window(1))
    engine.wait_until_encoded()
    file = scheduler.submit(window(2))
    live = scheduler.submit(window(9, priority=Priority.LIVE))
    engine.gate.set()
    for future in (running, file, live):
        answer(future)
    assert [name for call in engine.encodes for name, _ in call] == [1, 9, 2]


def test_a_live_window_finds_a_slot_while_files_fill_the_rest(start: Start) -> None:
    scripts = {name: says(" file") for name in range(1, 9)} | {9: says(" live")}
    scheduler, engine = start(scripts, slots=4)
    engine.gate.clear()
    files = [scheduler.submit(window(name)) for name in range(1, 9)]
    engine.wait_until_encoded()
    live = scheduler.submit(window(9, priority=Priority.LIVE))
    engine.gate.set()
    answer(live)
    for future in files:
        answer(future)
    order = [name for call in engine.encodes for name, _ in call]
    assert order.index(9) <= 3


def test_a_short_file_does_not_wait_behind_a_long_one(start: Start) -> None:
    scripts = {name: says(" text") for name in range(1, 30)}
    scheduler, engine = start(scripts, slots=1)
    engine.gate.clear()
    futures = [scheduler.submit(window(name, 30.0, caller="long")) for name in range(1, 20)]
    engine.wait_until_encoded()
    futures += [scheduler.submit(window(20, caller="short"))]
    engine.gate.set()
    for future in futures:
        answer(future)
    assert [name for call in engine.encodes for name, _ in call].index(20) <= 2


def test_a_cancelled_window_leaves_its_slot_and_its_batch_mates_finish(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech.whisper.batching.scheduler.POLL_DECODING", 0.0)
    cancelled = threading.Event()
    scheduler, engine = start({1: says(" dropped in the middle"), 2: says(" kept")}, slots=2)
    engine.gate.clear()
    dropped = scheduler.submit(window(1, is_cancelled=cancelled.is_set))
    kept = scheduler.submit(window(2))
    engine.wait_until_encoded()
    cancelled.set()
    engine.gate.set()
    assert answer(kept).text == "kept"
    with pytest.raises(CancelledError):
        answer(dropped)


def test_a_cancelled_window_that_waits_is_never_encoded(start: Start) -> None:
    scheduler, engine = start({1: says(" first"), 2: says(" never")}, slots=1)
    engine.gate.clear()
    first = scheduler.submit(window(1))
    engine.wait_until_encoded()
    second = scheduler.submit(window(2))
    assert second.cancel()
    engine.gate.set()
    answer(first)
    scheduler.close()
    assert [name for call in engine.encodes for name, _ in call] == [1]


def test_a_window_that_the_engine_cannot_encode_fails_alone(start: Start) -> None:
    scheduler, engine = start({1: says(" good"), 3: says(" fine")})
    engine.fails_to_encode = {2}
    futures = [scheduler.submit(window(name)) for name in (1, 2, 3)]
    assert answer(futures[0]).text == "good"
    assert answer(futures[2]).text == "fine"
    with pytest.raises(EngineError):
        answer(futures[1])


def test_windows_survive_one_failed_step(start: Start) -> None:
    scheduler, engine = start({1: says(" once more")})
    engine.steps_that_fail = 1
    assert answer(scheduler.submit(window(1))).text == "once more"


def test_an_engine_that_keeps_failing_fails_the_window(start: Start) -> None:
    scheduler, engine = start({1: says(" never"), 2: says(" later")})
    engine.steps_that_fail = 2
    with pytest.raises(EngineError):
        answer(scheduler.submit(window(1)))
    assert answer(scheduler.submit(window(2))).text == "later"


def test_a_lost_engine_is_told_and_everything_is_given_up(start: Start) -> None:
    told = threading.Event()
    scheduler, engine = start({1: says(" never"), 2: says(" nor this")}, slots=1, on_device_lost=told.set)
    engine.gate.clear()
    futures = [scheduler.submit(window(name)) for name in (1, 2)]

    engine.lost = True
    engine.gate.set()

    for future in futures:
        with pytest.raises(Closed):
            answer(future)
    assert told.is_set()
    with pytest.raises(Closed):
        scheduler.submit(window(1))


@pytest.mark.parametrize(
    "audio",
    [np.zeros(0, np.int16), np.zeros(480_001, np.int16), np.zeros(160, np.float32), np.zeros((2, 160), np.int16)],
    ids=["empty", "longer than 30 s", "float", "two channels"],
)
def test_audio_that_is_no_window_is_refused(start: Start, audio: np.ndarray) -> None:
    scheduler, _ = start({})
    with pytest.raises(InvalidAudio):
        scheduler.submit(Request(audio))


def test_a_language_that_the_model_lacks_is_refused(start: Start) -> None:
    scheduler, _ = start({})
    with pytest.raises(UnknownLanguage, match="en, zh, de"):
        scheduler.submit(window(1, language="xx"))


def test_too_many_waiting_windows_are_refused(start: Start) -> None:
    scripts = {name: says(" text") for name in range(1, 9)}
    scheduler, engine = start(scripts, slots=1, policy=AdmissionPolicy(reserved=0, longest_queue=3))
    engine.gate.clear()
    with pytest.raises(Overloaded):
        for name in scripts:
            scheduler.submit(window(name))


def test_closing_finishes_what_is_in_hand_and_takes_no_more(start: Start) -> None:
    scheduler, _ = start({name: says(" text") for name in range(1, 9)})
    futures = [scheduler.submit(window(name)) for name in range(1, 9)]
    scheduler.close()
    assert [future.result(0).text for future in futures] == ["text"] * 8
    with pytest.raises(Closed):
        scheduler.submit(window(1))


def test_closing_without_grace_gives_up_what_is_in_hand(start: Start) -> None:
    scheduler, engine = start({1: says(" in hand"), 2: says(" waiting")}, slots=1)
    engine.gate.clear()
    futures = [scheduler.submit(window(name)) for name in (1, 2)]
    engine.wait_until_encoded()
    closing = threading.Thread(target=scheduler.close, args=(0.0,))
    closing.start()
    with pytest.raises(Closed):
        while True:
            futures.append(scheduler.submit(window(1)))
    engine.gate.set()
    closing.join()
    for future in futures:
        with pytest.raises(Closed):
            future.result(0)


def test_statistics_count_what_was_done(start: Start) -> None:
    scheduler, _ = start({name: says(" four") for name in range(1, 4)})
    for future in [scheduler.submit(window(name, 2.0)) for name in range(1, 4)]:
        answer(future)
    done = scheduler.statistics
    assert (done.finished, done.windows, done.audio_seconds, done.tokens) == (3, 3, 6.0, 15)
    assert done.rows >= done.steps > 0


def test_a_language_is_detected_among_the_allowed_ones(start: Start) -> None:
    scheduler, engine = start({1: says(" Hallo")})
    engine.language = "fr"

    result = answer(scheduler.submit(window(1, language="de,es")))

    assert result.language in ("de", "es")
    with pytest.raises(UnknownLanguage):
        scheduler.submit(window(1, language="de,tlh"))


def test_every_region_has_its_own_languages(start: Start) -> None:
    scheduler, engine = start({1: says(" Hello")})
    engine.span_language = {(100, 200): "fr"}

    result = answer(scheduler.submit(window(1, language="", regions=((0, 16_000), (32_000, 64_000)))))

    english, french = result.region_languages
    assert (result.language, english["en"], french["fr"]) == ("en", 0.9, 0.9)


def test_the_regions_of_a_short_window_are_not_told_apart(start: Start) -> None:
    scheduler, engine = start({1: says(" Hello")})
    engine.span_language = {(0, 50): "fr"}

    result = answer(scheduler.submit(window(1, seconds=3.0, language="", regions=((0, 16_000), (32_000, 48_000)))))

    assert [each["en"] for each in result.region_languages] == [0.9, 0.9]


def test_a_region_outside_its_window_is_refused(start: Start) -> None:
    scheduler, _ = start({1: says(" Hello")})
    with pytest.raises(InvalidAudio, match="inside"):
        scheduler.submit(window(1, seconds=1.0, regions=((8_000, 16_001),)))
