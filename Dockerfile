# The whole of Aetherport as one executable.
#
#   docker build -t aetherport .
#   docker run -i --rm --init --network host aetherport --forward 127.0.0.1:8080:10.0.0.5:80
#
# -i keeps stdin open, so that an offer or answer can be pasted. With --network host the listeners
# are on the host's own loopback, and peers reach the host's addresses without another NAT between.

# Runs on the architecture of the building machine; deno compiles for the other one.
FROM --platform=$BUILDPLATFORM denoland/deno:2.9.6 AS build
ARG TARGETARCH
WORKDIR /build
COPY deno.json deno.lock ./
RUN deno install --frozen
COPY main.ts ./
COPY src/ src/
COPY signal/ signal/
RUN case "$TARGETARCH" in \
      amd64) target=x86_64-unknown-linux-gnu ;; \
      arm64) target=aarch64-unknown-linux-gnu ;; \
      *) echo "no deno compile target for architecture '$TARGETARCH'" >&2; exit 1 ;; \
    esac \
 && deno compile --frozen --no-prompt --unstable-kv --exclude-unused-npm \
      --allow-net --allow-env --allow-read --allow-write --allow-sys --allow-ffi --allow-run \
      --target "$target" --output aetherport main.ts

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="Aetherport" \
      org.opencontainers.image.description="A layer-4 proxy over WebRTC" \
      org.opencontainers.image.licenses="Apache-2.0"
# libssl3 brings libcrypto.so.3, with which the data plane is several times faster.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libssl3 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 aetherport \
 && useradd --uid 10001 --gid 10001 --create-home --shell /usr/sbin/nologin aetherport
COPY --from=build /build/aetherport /usr/local/bin/aetherport
# A number, so that a cluster can tell that it is not root.
USER 10001:10001
ENV HOME=/home/aetherport
WORKDIR /home/aetherport
ENTRYPOINT ["aetherport"]
