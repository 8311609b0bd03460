# Two images: `chartseal` with the four programs, and `anvil`, the development chain of docker-compose.yml.
# Never built yet; docker-compose.yml says what was checked.

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
# The caches make a second build short; what is wanted from them is copied out, because a cache is not part of a layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked \
        -p chartseal-gateway -p chartseal-submitter -p chartseal-reader -p chartseal-stack \
    && install -D -t /programs \
        target/release/chartseal target/release/chartseal-gateway \
        target/release/chartseal-submitter target/release/chartseal-reader

# The web app, without the wallet of the development accounts.
FROM node:22-bookworm-slim AS portal
WORKDIR /portal
COPY services/portal/package.json services/portal/package-lock.json ./
RUN npm ci --no-audit --no-fund --ignore-scripts
COPY services/portal/ ./
RUN npm run build

# Contracts are compiled into the programs, so an image needs nothing but them and the portal.
FROM debian:bookworm-slim AS chartseal
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home chartseal \
    # A named volume takes the owner of the folder it is first mounted over.
    && install -d -o chartseal -g chartseal -m 700 /data /keys
COPY --from=build /programs/ /usr/local/bin/
COPY --from=portal /portal/dist/production/ /usr/share/chartseal/portal/
USER chartseal
CMD ["chartseal", "--help"]

FROM node:22-bookworm-slim AS anvil
WORKDIR /contracts
COPY contracts/package.json contracts/package-lock.json ./
# The same anvil the tests use, by the committed lock. npm installs one platform's binary.
RUN npm install --no-save --no-audit --no-fund --ignore-scripts \
    && ln -s /contracts/node_modules/@foundry-rs/anvil-linux-*/bin/anvil /usr/local/bin/anvil \
    && install -d -o node -g node /chain
USER node
ENTRYPOINT ["anvil"]
