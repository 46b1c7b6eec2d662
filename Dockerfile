# syntax=docker/dockerfile:1

# Weir and the plugins that come with it.
#
#   docker build -t weir .
#   docker run --rm -p 127.0.0.1:8080:8080 -e WEIR_KEY=change-me -e OPENAI_API_KEY weir
#
# Inside of a container Weir has to listen on every address, and refuses that without a key: give it WEIR_KEY, or mount
# a folder with a config file that has `keys`, and name the file in WEIR_CONFIG.

FROM rust:1.95-slim-bookworm AS build
RUN rustup target add wasm32-wasip2
WORKDIR /source
COPY . .
# The caches outlive the build; what is wanted of it has to leave them within the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo xtask plugins \
    && cargo build --locked --profile dist --package weir --bin weir \
    && install -D --strip target/dist/weir /out/usr/local/bin/weir \
    && install -D --mode=0644 --target-directory=/out/usr/lib/weir/plugins target/release/plugins/*.wasm

FROM debian:bookworm-slim
RUN groupadd --system --gid 10001 weir \
    && useradd --system --uid 10001 --gid weir --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin weir \
    && install -d --owner=weir --group=weir --mode=0700 /var/cache/weir
COPY --from=build /out/ /
ENV WEIR_LISTEN=0.0.0.0:8080 \
    WEIR_PLUGINS__PATH=/usr/lib/weir/plugins \
    WEIR_PLUGINS__CACHE=/var/cache/weir
USER 10001:10001
WORKDIR /
# Compiles every plugin into the cache, so that a container need not at its start. Nothing is served here.
RUN WEIR_LISTEN=127.0.0.1:8080 weir plugin list
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["weir", "health", "127.0.0.1:8080"]
ENTRYPOINT ["weir"]
CMD ["serve"]
