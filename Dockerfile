# One image for the service and for the index job. Build:  docker build -t vilem .
# GPU: build with --build-arg EXTRA=gpu on a host with the NVIDIA container runtime.

FROM docker.io/library/python:3.11-slim-bookworm AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
ARG EXTRA=cpu
RUN python -m venv /opt/vilem
# dependencies first: a change of code does not install them again
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY vilem/__init__.py vilem/__init__.py
RUN mkdir -p service models index && /opt/vilem/bin/pip install -c constraints.txt ".[${EXTRA}]" \
    && /opt/vilem/bin/pip uninstall -y vilem-search
COPY vilem vilem
COPY service service
COPY models models
COPY index index
RUN /opt/vilem/bin/pip install --no-deps -c constraints.txt .

FROM docker.io/library/python:3.11-slim-bookworm
COPY --from=build /opt/vilem /opt/vilem
RUN useradd --create-home --uid 10001 vilem && mkdir /data && chown vilem /data
USER vilem
# /data holds bundles/ and collections/; the working directory is not on sys.path of the console script
WORKDIR /data
ENV PATH=/opt/vilem/bin:$PATH PYTHONUNBUFFERED=1 VILEM_HOME=/data VILEM_HOST=0.0.0.0 VILEM_PORT=8000
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["vilem"]
CMD ["serve"]
