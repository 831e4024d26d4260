# Two images:
#   docker build --tag keepset-sampler .
#   docker build --tag keepset-trainer --target trainer --build-arg TENSORFLOW=cpu .
# Both put together what `node scripts/assemble.mjs` makes, which the tests run without a container engine.

FROM node:24-bookworm-slim AS repository
WORKDIR /repository
COPY . .
RUN --mount=type=cache,target=/root/.npm npm ci && npm run build

FROM repository AS trainer-files
# cpu or gpu: the native backend on TensorFlow's own library. none: the image is small and computes in WebAssembly.
ARG TENSORFLOW=cpu
RUN if [ "$TENSORFLOW" != none ]; then \
      apt-get update && apt-get install --yes --no-install-recommends g++ python3 python3-pip; \
    fi
RUN --mount=type=cache,target=/root/.npm node scripts/assemble.mjs trainer /app
RUN if [ "$TENSORFLOW" != none ]; then \
      mkdir /app/scripts && cp scripts/setup-tensorflow.mjs /app/scripts/ && \
      node /app/scripts/setup-tensorflow.mjs "$TENSORFLOW"; \
    fi

FROM node:24-bookworm-slim AS trainer
ENV NODE_ENV=production
COPY --from=trainer-files /app /app
RUN install --directory --owner=node --group=node /output
WORKDIR /output
USER node
ENTRYPOINT ["node", "/app/clients/trainer/dist/main.js"]

FROM repository AS sampler-files
RUN --mount=type=cache,target=/root/.npm node scripts/assemble.mjs sampler /app

FROM node:24-bookworm-slim AS sampler
# A container has its own loopback: the sampler must listen on all of its addresses to be reached.
# Runs are kept in /data: name a volume for it (--volume keepset:/data), and a new container goes on with them.
# Eight seconds to drain, since an engine kills what has not ended ten seconds after SIGTERM.
ENV NODE_ENV=production \
    KEEPSET_LISTEN=0.0.0.0:50051 \
    KEEPSET_HTTP=0.0.0.0:8350 \
    KEEPSET_DATA_DIR=/data \
    KEEPSET_DRAIN_SECONDS=8
COPY --from=sampler-files /app /app
RUN install --directory --owner=node --group=node /data
WORKDIR /app
USER node
VOLUME /data
EXPOSE 50051 8350
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.KEEPSET_HTTP.split(':').pop() + '/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/services/sampler/dist/main.js"]
CMD ["serve"]
