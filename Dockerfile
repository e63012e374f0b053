# docker build -t aemm .
# docker run --rm -v "$PWD":/work aemm predict --help
#
# With CUDA, a base that has its libraries and the index of PyTorch's builds for it:
# docker build -t aemm:cuda --build-arg BASE=nvidia/cuda:12.6.3-runtime-ubuntu24.04 \
#     --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126 .
# docker run --rm --gpus all -v "$PWD":/work aemm:cuda info
ARG BASE=ubuntu:24.04
FROM ${BASE}

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

# libgl1 and libglib2.0-0 are what opencv-python loads
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        libgl1 libglib2.0-0 python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

ENV PATH=/opt/aemm/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/aemm && pip install --index-url "${TORCH_INDEX}" torch

COPY . /tmp/aemm
RUN pip install "setuptools<82" && pip install /tmp/aemm && rm -rf /tmp/aemm && aemm info

WORKDIR /work
ENTRYPOINT ["aemm"]
CMD ["--help"]
