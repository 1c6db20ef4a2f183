import numpy as np
import pytest

from gateway.media.downmix import BLOCK, Downmix

TIME = np.arange(20 * BLOCK) / 16_000


def tone(frequency: float, level: float = 8000.0) -> np.ndarray:
    return level * np.sin(2 * np.pi * frequency * TIME)


def mix(*channels: np.ndarray) -> np.ndarray:
    track = np.stack(channels, axis=1).astype(np.int16)
    downmix = Downmix(track.shape[1])
    return np.concatenate([downmix.mix(block) for block in np.split(track, len(track) // BLOCK)])


def level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples.astype(float) ** 2)))


def test_channels_in_opposite_phase_do_not_cancel_out() -> None:
    voice = tone(440)
    assert level(mix(voice, -voice)) == pytest.approx(level(voice), rel=0.02)


def test_a_silent_channel_does_not_halve_the_level() -> None:
    voice = tone(440)
    hiss = np.random.default_rng(0).integers(-3, 3, len(voice))
    assert level(mix(hiss, voice)) == pytest.approx(level(voice), rel=0.02)


def test_both_sides_of_a_call_are_heard() -> None:
    half = len(TIME) // 2
    caller, agent = tone(300), tone(500)
    caller[half:] = 0
    agent[:half] = 0
    mono = mix(caller, agent)
    assert level(mono[:half]) > level(tone(300)) / 3
    assert level(mono[half:]) > level(tone(500)) / 3


def test_mono_passes_unchanged() -> None:
    voice = tone(440).astype(np.int16)
    assert np.array_equal(mix(voice), voice)


def test_loud_channels_never_wrap_around() -> None:
    loud = tone(440, 32767)
    mono = mix(loud, loud, loud).astype(int)
    assert np.abs(mono - loud.astype(int)).max() <= 2


def test_a_change_of_weights_makes_no_click() -> None:
    voice, late = tone(100), np.roll(tone(100), 3)
    late[: len(late) // 2] = 0
    steps = np.abs(np.diff(mix(voice, -late).astype(int)))
    assert steps.max() < 3 * np.abs(np.diff(voice)).max()
