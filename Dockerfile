# docker build --tag mmtoolkit .
# docker run --rm --user "$(id -u):$(id -g)" --volume mmtoolkit:/cache --volume "$PWD":/work mmtoolkit predict --preset shapes_demo photo.png
# The volume `mmtoolkit` keeps what is downloaded once: VGG19's weights. `serve` also takes --publish 127.0.0.1:8501:8501
# and --host 0.0.0.0; `label`, whose page is for one machine only, --network host (on Linux).

# A later one: docker buildx imagetools inspect python:3.11-slim-bookworm
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d
FROM ${PYTHON_IMAGE}

# heic brings libx265, which is under GPL-2: docs/licences.md
ARG EXTRAS=heic,hub,lite,plots,serving

WORKDIR /source
COPY docker/constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt setuptools wheel

# What mmtoolkit needs, for a package of that name without a line of code: an edit of the code keeps these 2.7 GB
COPY setup.py pyproject.toml LICENSE ./
RUN touch README.md && mkdir mmtoolkit pipelines pretrained \
    && pip install --no-cache-dir --no-build-isolation --constraint constraints.txt ".[${EXTRAS}]"

COPY README.md ./
COPY mmtoolkit mmtoolkit
COPY pipelines pipelines
COPY pretrained pretrained
RUN pip install --no-cache-dir --no-build-isolation --no-deps . && rm -rf /source/*

# Anyone may write here, whatever --user says
RUN mkdir --mode 1777 /cache /work
ENV HOME=/cache MMTOOLKIT_CACHE=/cache
VOLUME /cache
USER 1000:1000
WORKDIR /work
STOPSIGNAL SIGINT
ENTRYPOINT ["mmtoolkit"]
