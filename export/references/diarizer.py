"""The diarizer's networks in torch.

Segmentation: PyanNet, a SincNet front and a bidirectional LSTM (Bredin 2023, "pyannote.audio 2.1 speaker
diarization pipeline"; powerset training: Plaquet and Bredin 2023). Embedding: CAM++ (Wang et al. 2023,
"CAM++: a fast and efficient network for speaker verification using context-aware masking"). The modules'
attribute names follow the published weights, so that a state dict loads with strict=True.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.speaker_embedding import FFT, FULL_SCALE, HOP, mel_filters, spectrum_matrix
from speech.audio import SAMPLE_RATE


class SincFilters(nn.Module):
    """80 band-pass filters of 251 taps from 40 learnt (low, band) pairs: even filters, then odd ones."""

    n_: Tensor
    window_: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("n_", torch.zeros(1, 125))
        self.register_buffer("window_", torch.zeros(125))
        self.low_hz_ = nn.Parameter(torch.zeros(40, 1))
        self.band_hz_ = nn.Parameter(torch.zeros(40, 1))

    def kernel(self) -> Tensor:
        """float32 (80, 1, 251)."""
        low = 50 + self.low_hz_.abs()
        high = (low + 50 + self.band_hz_.abs()).clamp(50, SAMPLE_RATE / 2)
        band = high - low
        left = self.window_ / (self.n_ / 2)
        even = (torch.sin(high @ self.n_) - torch.sin(low @ self.n_)) * left
        odd = (torch.cos(low @ self.n_) - torch.cos(high @ self.n_)) * left
        even = torch.cat([even, 2 * band, even.flip(1)], dim=1)
        odd = torch.cat([odd, torch.zeros_like(band), -odd.flip(1)], dim=1)
        return (torch.cat([even, odd]) / (2 * torch.cat([band, band]))).unsqueeze(1)


class SincEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.filterbank = SincFilters()

    def forward(self, samples: Tensor) -> Tensor:
        return functional.conv1d(samples, self.filterbank.kernel(), stride=10)


class SincNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wav_norm1d = nn.InstanceNorm1d(1, affine=True)
        self.conv1d = nn.ModuleList([SincEncoder(), nn.Conv1d(80, 60, 5), nn.Conv1d(60, 60, 5)])
        self.norm1d = nn.ModuleList(nn.InstanceNorm1d(size, affine=True) for size in (80, 60, 60))

    def forward(self, samples: Tensor) -> Tensor:
        hidden = self.wav_norm1d(samples)
        for index, (convolve, normalise) in enumerate(zip(self.conv1d, self.norm1d, strict=True)):
            hidden = convolve(hidden)
            if index == 0:
                hidden = hidden.abs()
            hidden = functional.leaky_relu(normalise(functional.max_pool1d(hidden, 3)))
        filtered: Tensor = hidden
        return filtered


class PyanNet(nn.Module):
    """Samples (batch, n) → log-probabilities (batch, frames, 7) of the powerset of 3 speakers, at most 2 at once."""

    def __init__(self) -> None:
        super().__init__()
        self.sincnet = SincNet()
        self.lstm = nn.LSTM(60, 128, num_layers=4, bidirectional=True, batch_first=True)
        self.linear = nn.ModuleList([nn.Linear(256, 128), nn.Linear(128, 128)])
        self.classifier = nn.Linear(128, 7)

    def forward(self, samples: Tensor) -> Tensor:
        hidden, _ = self.lstm(self.sincnet(samples.unsqueeze(1)).transpose(1, 2))
        for linear in self.linear:
            hidden = functional.leaky_relu(linear(hidden))
        return functional.log_softmax(self.classifier(hidden), dim=-1)


class Filterbank(nn.Module):
    """Samples (batch, n) in [-1, 1] → Kaldi's log-mel filterbank (batch, frames, 80), no dither."""

    matrix: Tensor
    mel: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Scaled to 16-bit amplitudes, where Kaldi's floor of the energies is meant.
        matrix = spectrum_matrix() * FULL_SCALE
        self.register_buffer("matrix", torch.tensor(matrix, dtype=torch.float32).unsqueeze(1))
        self.register_buffer("mel", torch.tensor(mel_filters(), dtype=torch.float32).unsqueeze(2))

    def forward(self, samples: Tensor) -> Tensor:
        spectrum = functional.conv1d(samples.unsqueeze(1), self.matrix, stride=HOP)
        real, imaginary = spectrum[:, : FFT // 2 + 1], spectrum[:, FFT // 2 + 1 :]
        energies = functional.conv1d(real * real + imaginary * imaginary, self.mel)
        return energies.clamp(min=torch.finfo(torch.float32).eps).log().transpose(1, 2)


def normalised(channels: int, affine: bool = True, relu: bool = True) -> nn.Sequential:
    block = nn.Sequential()
    block.add_module("batchnorm", nn.BatchNorm1d(channels, affine=affine))
    if relu:
        block.add_module("relu", nn.ReLU())
    return block


class ResidualBlock(nn.Module):
    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride=(stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, channels, 1, stride=(stride, 1), bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(hidden + self.shortcut(x))


class ConvolutionHead(nn.Module):
    """Mel × time as a picture: (batch, 80, frames) → (batch, 320, frames)."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(ResidualBlock(channels, 2), ResidualBlock(channels, 1))
        self.layer2 = nn.Sequential(ResidualBlock(channels, 2), ResidualBlock(channels, 1))
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        hidden = functional.relu(self.bn1(self.conv1(x.unsqueeze(1))))
        hidden = functional.relu(self.bn2(self.conv2(self.layer2(self.layer1(hidden)))))
        return hidden.flatten(1, 2)


class ContextMask(nn.Module):
    """A convolution whose output is gated by the mean of the whole window and of its 2-s segment."""

    segment = 100  # frames of 20 ms

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(128, 32, 3, padding=dilation, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(128, 64, 1)
        self.linear2 = nn.Conv1d(64, 32, 1)

    def forward(self, x: Tensor) -> Tensor:
        # frames are a multiple of a segment here: exported windows are whole seconds
        segments = torch.unflatten(x, 2, (-1, self.segment)).mean(-1)
        context = segments + x.mean(-1, keepdim=True)
        mask = torch.sigmoid(self.linear2(functional.relu(self.linear1(context))))
        gated = torch.unflatten(self.linear_local(x), 2, (-1, self.segment)) * mask.unsqueeze(-1)
        return gated.flatten(2)


class DenseLayer(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = normalised(channels)
        self.linear1 = nn.Conv1d(channels, 128, 1, bias=False)
        self.nonlinear2 = normalised(128)
        self.cam_layer = ContextMask(dilation)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))
        return hidden


class DenseBlock(nn.ModuleDict):
    def __init__(self, channels: int, layers: int, dilation: int) -> None:
        super().__init__({f"tdnnd{i + 1}": DenseLayer(channels + 32 * i, dilation) for i in range(layers)})

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.values():
            x = torch.cat([x, layer(x)], dim=1)
        return x


class Transition(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.nonlinear = normalised(channels)
        self.linear = nn.Conv1d(channels, channels // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.linear(self.nonlinear(x))
        return hidden


class FirstLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Conv1d(320, 128, 5, stride=2, padding=2, bias=False)
        self.nonlinear = normalised(128)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.nonlinear(self.linear(x))
        return hidden


class LastLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Conv1d(1024, 192, 1, bias=False)
        self.nonlinear = normalised(192, affine=False, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.nonlinear(self.linear(x.unsqueeze(-1)).squeeze(-1))
        return hidden


class CamPlus(nn.Module):
    """CAM++ in the two halves that serving needs: frame features once, then a vector for any set of frames."""

    def __init__(self) -> None:
        super().__init__()
        self.head = ConvolutionHead()
        body: dict[str, nn.Module] = {"tdnn": FirstLayer()}
        channels = 128
        for block, (layers, dilation) in enumerate(((12, 1), (24, 2), (16, 2)), start=1):
            body[f"block{block}"] = DenseBlock(channels, layers, dilation)
            channels += 32 * layers
            body[f"transit{block}"] = Transition(channels)
            channels //= 2
        body |= {"out_nonlinear": normalised(channels), "dense": LastLayer()}
        self.xvector = nn.ModuleDict(body)

    def features(self, mel: Tensor) -> Tensor:
        """Log-mel (batch, frames, 80), mean already removed → (batch, frames / 2, 512)."""
        hidden = self.head(mel.transpose(1, 2))
        for name, layer in self.xvector.items():
            if name != "dense":
                hidden = layer(hidden)
        features: Tensor = hidden.transpose(1, 2)
        return features

    def vector(self, statistics: Tensor) -> Tensor:
        """Mean and standard deviation of the features, (batch, 1024) → (batch, 192)."""
        vector: Tensor = self.xvector["dense"](statistics)
        return vector

    def forward(self, mel: Tensor) -> Tensor:
        return self.features(mel)


def load(network: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    network.load_state_dict(state, strict=True)
    return network.eval()
