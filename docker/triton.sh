#!/bin/sh
# stt-triton ARGUMENT…: tritonserver that asks for a key before models are loaded, which is to run code in it. The
# gateways have the same key (STT_TRITON_CONTROL_KEY, or its file among the secrets).
set -eu
key=${STT_TRITON_CONTROL_KEY:-$(cat "${STT_SECRETS:-/run/secrets}/stt_triton_control_key")}
exec tritonserver "$@" "--grpc-restricted-protocol=model-repository,shared-memory,trace,logging:stt-control=$key"
