#!/bin/bash
# On the machine with the GPU, in the repository's folder:
#
#     bash benchmarks/device/run.sh FOLDER [SECONDS]
#
# FOLDER: what `make device` wrote; SECONDS: for all of it. Results go to $OUT at once. PROVIDER=cpu rehearses.
set -u
carried=$(cd "$1" && pwd)
seconds=${2:-200}
began=$SECONDS
site=${SITE:-/tmp/site} exports=${EXPORTS:-/dev/shm/exports} provider=${PROVIDER:-gpu}
export OUT=${OUT:-/tmp/out} PYTHONUNBUFFERED=1 PYTHONPATH=$site
export NUMBA_CACHE_DIR=/tmp/numba TOKENIZERS_PARALLELISM=false
mkdir -p "$OUT" "$site" "$exports"

python3 - "$carried" "$site" <<'UNPACK'
import lzma, sys, tarfile
from pathlib import Path
carried, site = map(Path, sys.argv[1:])
packed = carried / "onnxruntime.tar.xz"
if packed.exists() and not (site / "onnxruntime").exists():
    tarfile.open(packed).extractall(site, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
(site / "tokenizer.json").write_bytes(lzma.decompress((carried / "tokenizer.json.xz").read_bytes()))
UNPACK
# torch brings CUDA's libraries; ONNX Runtime finds them by the loader's path.
libraries=$(python3 -c 'import glob, nvidia; print(":".join(p for r in nvidia.__path__ for p in glob.glob(r + "/*/lib")))' \
  2>/dev/null)
export LD_LIBRARY_PATH=$libraries:${LD_LIBRARY_PATH:-}

left() { echo $((seconds - SECONDS + began)); }
step() {  # TITLE COMMAND…: ends with what is left of the time
  local title=$1 from=$SECONDS; shift
  if [ "$(left)" -lt 5 ]; then echo "$title: no time left" | tee -a "$OUT/log"; return; fi
  timeout -k 5 "$(left)" "$@" >> "$OUT/log" 2>&1 || echo "$title ended with $?" | tee -a "$OUT/log"
  echo "$title took $((SECONDS - from)) s" | tee -a "$OUT/log"
}

random=(python3 -m export whisper --source random --target cuda --without-parity --tokenizer "$site/tokenizer.json")
step "export of base" "${random[@]}" --model base --repository "$exports/check"
step "check" python3 -m benchmarks.device.check "$exports/check/whisper-base/1" "$OUT" --provider "$provider"
cat "$OUT/check.json" 2>/dev/null
step "passes and service" python3 -m benchmarks gpu --target cuda --models ${MODELS:-large-v3-turbo large-v3} \
  --batches ${BATCHES:-64 1 8} --rounds 2 --provider "$provider" --service --without-peer --without-speech --without-parity \
  --tokenizer "$site/tokenizer.json" --exports "$exports" --limit "$(($(left) - 5))" --results "$OUT"
cat "$OUT"/gpu*.md 2>/dev/null || tail -n 40 "$OUT/log"
