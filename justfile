# Recipes of the streaming worker (docs/worker.md). Each runs until Ctrl-C; with CUDA_VISIBLE_DEVICES and WORKER_NAME
# several run side by side, one for each GPU:   CUDA_VISIBLE_DEVICES=1 WORKER_NAME=tts-worker-1 just run-tts-piper
# A model may be named:   just run-tts-piper DEFAULT="piper-en-us-lessac-medium"

skylark := justfile_directory() / ".venv/bin/skylark"

# Which recipes there are
[private]
default:
    @just --justfile "{{ justfile() }}" --list --unsorted

# A tone of 440 Hz in place of speech
run-tts-mock model="": (_worker "mock" model)

# Piper, on a CPU
run-tts-piper model="": (_worker "piper" model)

# CosyVoice 2, where its backend is
run-tts-cosy model="": (_worker "cosyvoice2" model)

# XTTS-v2, where its backend is
run-tts-xtts model="": (_worker "xtts" model)

# Sesame, where its backend is
run-tts-sesame model="": (_worker "sesame" model)

[no-exit-message]
_worker adapter model:
    @exec "{{ skylark }}" worker --adapter {{ adapter }} {{ if model == "" { "" } else { "--default " + quote(trim_start_match(model, "DEFAULT=")) } }}
