#!/bin/sh
# Fills /models, Triton's model repository: stt-export WHISPER_SIZE TARGET. What is up to date is left alone.
# STT_PLANS: folder where exports are kept for all machines with the same card; STT_PLANS_ONLY=1: what is not there is
# not built here, and ONNX Runtime serves the graphs until the next start that finds it.
set -eu
size=$1
target=$2
set -- --model "$size" --target "$target" --repository /models --data /weights
[ -z "${STT_PLANS:-}" ] || set -- "$@" --plans "$STT_PLANS"
[ -z "${STT_PLANS_ONLY:-}" ] || set -- "$@" --without-building

# Model code and configuration of this version; engines that lie there stay.
cp -R /opt/model_repository/. /models/
python -m export whisper "$@"
python -m export diarizer --repository /models --data /weights
