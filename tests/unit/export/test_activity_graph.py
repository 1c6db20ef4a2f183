import numpy as np
import onnx
import pytest

from export.activity import unroll


def convolve(kernel: np.ndarray, frames: np.ndarray, stride: int) -> np.ndarray:
    """The definition: width 3, padded by one on both sides; frames: (count, in)."""
    padded = np.pad(frames, ((1, 1), (0, 0)))
    places = range(0, len(frames), stride)
    return np.array([sum(kernel[:, :, tap] @ padded[at + tap] for tap in range(3)) for at in places])


@pytest.mark.parametrize(("count", "stride"), [(4, 1), (4, 2), (2, 2), (1, 1)])
def test_an_unrolled_convolution_does_what_the_convolution_does(count: int, stride: int) -> None:
    random = np.random.default_rng(0)
    kernel = random.normal(size=(5, 3, 3)).astype(np.float32)
    frames = random.normal(size=(count, 3)).astype(np.float32)
    dense = (unroll(kernel, count, stride) @ frames.reshape(-1)).reshape(-1, 5)
    assert np.allclose(dense, convolve(kernel, frames, stride), atol=1e-5)


def test_the_packaged_graph_is_valid() -> None:
    from speech.activity import WEIGHTS

    onnx.checker.check_model(str(WEIGHTS), full_check=True)
