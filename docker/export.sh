#!/bin/sh
# Fills /models, Triton's model repository: stt-export WHISPER_SIZE TARGET. What is up to date is left alone.
set -eu
size=$1
target=$2

# Model code and configuration of this version; engines that lie there stay.
cp -R /opt/model_repository/. /models/
python -m export whisper --model "$size" --target "$target" --repository /models --data /weights
python -m export diarizer --repository /models --data /weights
