# Builds the service without the development issuer, into an image that holds little else.
FROM rust:1.95.0-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
WORKDIR /source
COPY Cargo.toml Cargo.lock ./
COPY docs docs
COPY src src
RUN cargo build --release --locked --no-default-features --features service,redis --config profile.release.strip=true

FROM gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="actix-resource-server" \
      org.opencontainers.image.description="An OAuth 2.0 resource server" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.source="https://github.com/actix-resource-server/actix-resource-server" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian12:nonroot"
COPY --from=build /source/target/release/actix-resource-server /usr/local/bin/
WORKDIR /etc/actix-resource-server
COPY deploy/image/Settings.toml ./
# A container is reached from outside, also with settings that are mounted over these.
ENV HOST=0.0.0.0
EXPOSE 3010 9000
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/local/bin/actix-resource-server", "health"]
ENTRYPOINT ["/usr/local/bin/actix-resource-server"]
