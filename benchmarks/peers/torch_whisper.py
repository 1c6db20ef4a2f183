"""The plain torch model as transformers writes it, with random weights of the same shape: passes alone.

Runs in any environment with torch and transformers: `python -m benchmarks.peers.torch_whisper DIMENSIONS`.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from benchmarks.peers.timed import Measure, Timing, answer

PROMPT = (50258, 50259, 50360, 50364)  # as many tokens as a real one; what they mean changes no time


def _open(sizes: dict[str, int], device: str) -> tuple[dict[str, Any], Measure]:
    import torch
    import transformers

    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("this torch sees no CUDA")
    kind = torch.float16 if device == "cuda" else torch.float32
    config = transformers.WhisperConfig(
        vocab_size=sizes["n_vocab"],
        num_mel_bins=sizes["n_mels"],
        d_model=sizes["n_text_state"],
        encoder_layers=sizes["n_audio_layer"],
        encoder_attention_heads=sizes["n_audio_head"],
        encoder_ffn_dim=4 * sizes["n_audio_state"],
        decoder_layers=sizes["n_text_layer"],
        decoder_attention_heads=sizes["n_text_head"],
        decoder_ffn_dim=4 * sizes["n_text_state"],
    )
    with torch.device(device):
        model = transformers.WhisperForConditionalGeneration(config).to(kind).eval()

    def now() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def measure(batch: int, tokens: int) -> Timing:
        mel = torch.randn(batch, sizes["n_mels"], 3000, device=device, dtype=kind)
        ids = torch.tensor([PROMPT] * batch, device=device)
        with torch.inference_mode():
            began = now()
            heard = model.get_encoder()(mel)
            said = model(encoder_outputs=heard, decoder_input_ids=ids, use_cache=True)
            encoded = now()
            for _ in range(tokens):
                ids = said.logits[:, -1:].argmax(-1)
                said = model(
                    encoder_outputs=heard, decoder_input_ids=ids, past_key_values=said.past_key_values, use_cache=True
                )
            ended = now()
        return Timing(encoded - began, (ended - encoded) / tokens, ended - began)

    return {"versions": {"torch": torch.__version__, "transformers": transformers.__version__}}, measure


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dimensions", type=json.loads, help="JSON, as in the manifest")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    chosen = parser.parse_args()
    answer(lambda: _open(chosen.dimensions, chosen.device))


if __name__ == "__main__":
    main()
