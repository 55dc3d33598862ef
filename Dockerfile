# Builds the service without the development issuer, into an image that holds little else.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY Cargo.toml Cargo.lock ./
COPY docs docs
COPY src src
RUN cargo build --release --locked --no-default-features --features service,redis

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /source/target/release/actix-resource-server /usr/local/bin/
WORKDIR /etc/actix-resource-server
COPY Settings.toml ./
# A container is reached from outside; on a machine of its own the service stays on loopback.
ENV HOST=0.0.0.0 PORT=3010
EXPOSE 3010
HEALTHCHECK CMD ["/usr/local/bin/actix-resource-server", "health"]
ENTRYPOINT ["/usr/local/bin/actix-resource-server"]
