#!/bin/sh
# canary.sh RECORDINGS FOLDER: five short recordings as WAV files, and what is said in them, for
# `python -m gateway.triton.canary`. RECORDINGS holds manifest.jsonl and the files that it names.
set -eu
recordings=$1
folder=$2
python=${PYTHON:-python3}
mkdir -p "$folder"
ffmpeg=$("$python" -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
for name in amiable-woman dashwood rather-selfish seven-of-clubs young-man; do
    "$ffmpeg" -nostdin -loglevel error -y -i "$recordings/$name.flac" -ar 16000 -ac 1 -c:a pcm_s16le "$folder/$name.wav"
done
"$python" - "$recordings/manifest.jsonl" "$folder" <<'REFERENCES'
import json, pathlib, sys
manifest, folder = map(pathlib.Path, sys.argv[1:])
said = {line["id"]: line["text"] for line in map(json.loads, manifest.read_text().splitlines())}
references = {path.name: said[path.stem] for path in sorted(folder.glob("*.wav"))}
(folder / "references.json").write_text(json.dumps(references, indent=1))
REFERENCES
