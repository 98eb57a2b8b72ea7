# m2s for a cluster: the core with mlflow-skinny, which reads registries over http(s).
# For registries in a database: docker build --build-arg EXTRAS='[local]' .
# The root file system may be read-only; /tmp (an emptyDir, a tmpfs) takes what is downloaded.

FROM python:3.11-slim AS build
ARG EXTRAS=""
WORKDIR /src
COPY . .
RUN python -m venv --without-pip /opt/m2s \
    && pip --python /opt/m2s/bin/python install --no-cache-dir --no-compile \
        --constraint constraints.txt ".${EXTRAS}" \
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
