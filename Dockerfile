# One image for the service and for the index job: docker build -t vilem . (docs/docker.md says how to run it)

FROM docker.io/library/python:3.11-slim-bookworm AS requirements
# A stage of its own: other edits of pyproject.toml leave the list as it is, and nothing is installed again.
WORKDIR /src
COPY pyproject.toml .
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
    extras = project['optional-dependencies']; \
    print(*project['dependencies'], *extras['cpu'], *extras['trace'], sep='\n')" > requirements.txt

FROM docker.io/library/python:3.11-slim-bookworm AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# pip stays behind in this stage
RUN python -m venv /opt/build && python -m venv --without-pip /opt/vilem
ENV PATH=/opt/build/bin:$PATH
COPY constraints.txt .
COPY --from=requirements /src/requirements.txt .
RUN pip --python /opt/vilem/bin/python install -c constraints.txt -r requirements.txt

FROM dependencies AS wheel
RUN pip install -c constraints.txt hatchling
COPY pyproject.toml README.md LICENSE ./
COPY vilem vilem
COPY service service
COPY models models
COPY index index
# beside the dependencies, not among them: a change of code is a layer of a few megabytes
RUN pip wheel --no-deps --no-build-isolation -w dist . \
    && pip --python /opt/vilem/bin/python install --no-deps --no-index --prefix /app dist/*.whl

FROM docker.io/library/python:3.11-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin vilem \
    && install --directory --owner=vilem --group=vilem /data
COPY --from=dependencies /opt/vilem /opt/vilem
COPY --from=wheel /app /opt/vilem
ENV PATH=/opt/vilem/bin:$PATH PYTHONUNBUFFERED=1 VILEM_HOME=/data VILEM_HOST=0.0.0.0 VILEM_PORT=8000
# ONNX Runtime's Linux wheels report to Microsoft from 1.29 on; this, set before it is imported, is the whole way out
ENV ORT_DISABLE_TELEMETRY=1
# Fails the build when something is missing. As root, because it leaves the bytecode of the standard library's modules,
# which the base image lacks and the user below cannot write: 0.35 s of every start.
RUN python -c "import service.app, index.embed, index.publish, index.sources, vilem.cli.main, uvicorn, rich.progress; \
    import opentelemetry.sdk.trace.export, opentelemetry.exporter.otlp.proto.http.trace_exporter"
# a number, so that an orchestrator sees that it is not root
USER 10001:10001
WORKDIR /data
EXPOSE 8000
ENTRYPOINT ["vilem"]
CMD ["serve"]
