# syntax=docker/dockerfile:1
# Two images of one program: `gateway` for every role but the local model, `rakuten` with llama.cpp
# as well. Both hold the program, its libraries, root certificates and licences, and nothing else: no
# shell, no package manager, no user but one without rights.
#
#   docker build --target gateway -t fly-llm:gateway .
#   docker build --target rakuten -t fly-llm:rakuten .

ARG RUST_VERSION=1.95

FROM rust:${RUST_VERSION}-slim-bookworm AS source
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates g++ make cmake libclang-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# All crates are linked as one: a request takes a tenth less CPU then. The link takes 3.3 GB; a builder
# with less is given LTO=thin and CODEGEN_UNITS=4.
ARG LTO=fat
ARG CODEGEN_UNITS=1
# The lock file names every byte of every crate; no path of the builder is left in the program.
ENV CARGO_TARGET_DIR=/target \
    CARGO_PROFILE_RELEASE_STRIP=symbols \
    CARGO_PROFILE_RELEASE_LTO=${LTO} \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=${CODEGEN_UNITS} \
    RUSTFLAGS="--remap-path-prefix=/src=. --remap-path-prefix=/usr/local/cargo=cargo"
COPY . .

FROM source AS build-gateway
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/target,id=fly-llm-gateway,sharing=locked \
    cargo build --locked --release --package fly-llm --no-default-features \
    && scripts/image-root /target/release/fly-llm /image

FROM source AS build-rakuten
# Compiled for every processor of its kind: which instructions the model is computed with is decided
# where the image runs (workers/rakuten/src/engine/kernels.rs).
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/target,id=fly-llm-rakuten,sharing=locked \
    cargo build --locked --release --package fly-llm \
    && scripts/image-root /target/release/fly-llm /image \
    && mv /image/models /models

FROM scratch AS rakuten
COPY --from=build-rakuten /image/ /
# A folder that is there already would keep its owner, and the worker could download nothing.
COPY --from=build-rakuten --chown=65532:65532 /models /models
COPY LICENSE NOTICE /usr/share/doc/fly-llm/
COPY config.yaml /etc/fly-llm/config.yaml
WORKDIR /etc/fly-llm
ENV PATH=/usr/local/bin FLY_LLM_LOG_FORMAT=json
USER 65532:65532
VOLUME /models
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30m --retries=3 \
    CMD ["fly-llm", "healthcheck", "http://127.0.0.1:9464/ready"]
ENTRYPOINT ["fly-llm"]
CMD ["worker", "rakuten", "--model", "/models/rakuten.gguf", "--metrics-listen", "0.0.0.0:9464"]

# The same for a machine whose volumes belong to root (Fly.io): the machine itself is the wall.
FROM rakuten AS rakuten-root
USER 0:0

FROM scratch AS gateway
COPY --from=build-gateway /image/ /
COPY LICENSE NOTICE /usr/share/doc/fly-llm/
COPY config.yaml /etc/fly-llm/config.yaml
WORKDIR /etc/fly-llm
ENV PATH=/usr/local/bin FLY_LLM_LOG_FORMAT=json
USER 65532:65532
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["fly-llm", "healthcheck", "http://127.0.0.1:9464/ready"]
ENTRYPOINT ["fly-llm"]
CMD ["gateway", "--listen", "0.0.0.0:8080", "--metrics-listen", "0.0.0.0:9464"]
