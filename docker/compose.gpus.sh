#!/bin/sh
# compose.gpus.sh COUNT [CORES]: an overlay of compose.gpu.yaml for a machine with COUNT GPUs, on standard output.
#
#   docker/compose.gpus.sh 4 >docker/compose.gpus.yaml
#   docker compose --file docker/compose.gpu.yaml --file docker/compose.gpus.yaml up --detach --wait
#
# One Triton a GPU: each is a failure domain, is updated and healed alone, and takes from the gateways what it can do.
# All of them read the engines that one export has built, so the cards are of one kind. They answer to the name
# `triton`, behind which the gateways and Prometheus find every address. GPU 0 is that of compose.gpu.yaml, which the
# summarizer shares. CORES: of the processor for each Triton, CORES times its number and on, where `nvidia-smi topo -m`
# says that these lie beside the card; a GPU's Triton wants three or four.
set -eu
count=$1
cores=${2:-0}
case $count$cores in *[!0-9]*) echo "COUNT and CORES are numbers" >&2 && exit 2 ;; esac
[ "$count" -ge 2 ] || { echo "one GPU needs no overlay: compose.gpu.yaml has it" >&2; exit 2; }

cpuset() { # GPU: the line that keeps its Triton on its cores
    [ "$cores" -eq 0 ] || echo "    cpuset: \"$(($1 * cores))-$(($1 * cores + cores - 1))\""
}

echo "# Made by docker/compose.gpus.sh $*: one Triton for each of $count GPUs."
echo "services:"
if [ "$cores" -ne 0 ]; then
    echo "  triton:"
    cpuset 0
fi
gpu=1
while [ "$gpu" -lt "$count" ]; do
    cat <<TRITON
  triton-$gpu:
    extends: {file: services.yaml, service: triton}
    image: stt-triton-gpu
    build: {context: .., dockerfile: docker/Containerfile, target: triton-gpu}
    command:
      - stt-triton
      - --model-repository=/models
      - --disable-auto-complete-config
      - --model-control-mode=explicit
      - --load-model=whisper-\${STT_MODEL:-large-v3-turbo}
      - --load-model=diarizer
      - --allow-http=false
      - --exit-timeout-secs=30
    healthcheck:
      test: [CMD, python3, -m, gateway.triton.probe, "127.0.0.1:8001", "whisper-\${STT_MODEL:-large-v3-turbo}"]
    depends_on:
      export: {condition: service_completed_successfully}
    deploy:
      resources:
        reservations:
          devices:
            - {driver: nvidia, device_ids: ["$gpu"], capabilities: [gpu]}
    mem_limit: 24g
    pids_limit: 2048
    networks:
      inside: {aliases: [triton]}
TRITON
    cpuset "$gpu"
    gpu=$((gpu + 1))
done
echo "  gateway:"
echo "    depends_on:"
gpu=1
while [ "$gpu" -lt "$count" ]; do
    echo "      triton-$gpu: {condition: service_healthy}"
    gpu=$((gpu + 1))
done
