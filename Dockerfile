# m2s for a cluster: the core with mlflow-skinny, which reads registries over http(s).
# For registries in a database: docker build --build-arg EXTRAS='[local]' .
# The root file system may be read-only; /tmp (an emptyDir, a tmpfs) takes what is downloaded.

FROM python:3.11-slim AS build
ARG EXTRAS=""
WORKDIR /src
COPY . .
# Nothing but what the locks name, byte for byte (`make locks`); m2s itself is built from this folder.
RUN pip install --no-cache-dir --require-hashes --requirement locks/build.txt \
    && pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /wheel . \
    && python -m venv --without-pip /opt/m2s \
    && pip --python /opt/m2s/bin/python install --no-cache-dir --no-compile --require-hashes \
        $(for lock in core $(echo "${EXTRAS}" | tr '[],' ' '); do echo "--requirement locks/${lock}.txt"; done) \
    && pip --python /opt/m2s/bin/python install --no-compile --no-index --no-deps /wheel/*.whl \
    && /opt/m2s/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/m2s/lib

FROM python:3.11-slim
LABEL org.opencontainers.image.title="m2s" \
      org.opencontainers.image.description="Makes a Kubernetes namespace serve what an MLflow Model Registry says it should" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/m2s /opt/m2s
ENV PATH=/opt/m2s/bin:$PATH \
    HOME=/tmp \
    TMPDIR=/tmp \
    XDG_CACHE_HOME=/tmp/.cache \
    XDG_CONFIG_HOME=/tmp/.config \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MLFLOW_DISABLE_TELEMETRY=true
WORKDIR /tmp
# A number, so that Kubernetes can tell that it is not root (runAsNonRoot).
USER 65532:65532
# The controller, unless another command is given: docker run IMAGE plan --stage Staging.
ENTRYPOINT ["m2s"]
CMD ["watch"]
