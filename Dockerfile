# Two images with the same Python (3.11 or later) at the same path; the first with a C compiler, as not every dependency has a
# wheel for every platform.
ARG BUILD_BASE=python:3.13
ARG BASE=python:3.13-slim

FROM ${BUILD_BASE} AS build
ARG UV_VERSION=0.13.9
RUN python3 -m venv /uv && /uv/bin/pip install --no-cache-dir uv==${UV_VERSION}
# Bytecode now, as the container's file system cannot be written later.
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PROJECT_ENVIRONMENT=/opt/venv \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /src
# What is locked changes less often than the program.
COPY pyproject.toml uv.lock ./
RUN /uv/bin/uv sync --locked --no-dev --extra cel --no-install-project
COPY README.md CHANGELOG.md LICENSE ./
COPY webhook webhook
RUN /uv/bin/uv sync --locked --no-dev --extra cel --no-editable

FROM ${BASE}
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 8443 8080
ENTRYPOINT ["catflap"]
