# docker build --tag mmtoolkit . && docker run --rm --volume "$PWD":/work mmtoolkit predict --preset shapes_demo photo.png
FROM python:3.11-slim

WORKDIR /source
COPY setup.py pyproject.toml README.md LICENSE ./
COPY mmtoolkit mmtoolkit
COPY pipelines pipelines
COPY pretrained pretrained
RUN pip install --no-cache-dir '.[plots,serving]' && rm -rf /source/*

RUN useradd --create-home --uid 1000 mmtoolkit && mkdir /work && chown mmtoolkit /work
USER mmtoolkit
WORKDIR /work
ENTRYPOINT ["mmtoolkit"]
