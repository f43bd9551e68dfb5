# One image for every service of HIL; the command says which. Classic syntax: it builds without BuildKit too.

FROM node:24-bookworm-slim AS build
WORKDIR /hil
COPY . .
# npm install and not npm ci: some optional packages of other platforms are missing from some mirrors.
RUN npm install --no-save --no-audit --no-fund --ignore-scripts
RUN node node_modules/vite/bin/vite.js build console && node services/mcp-adapter/build.mjs
RUN rm -rf node_modules && npm install --no-save --no-audit --no-fund --ignore-scripts --omit=dev

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /hil
# What is run belongs to root: a process that was taken over cannot change it.
COPY --from=build --chown=root:root /hil /hil
# An empty volume takes over whom its place in the image belongs to.
RUN mkdir -p /data /setup/postgres /setup/nats && chown -R node:node /data /setup
USER node
VOLUME /data
ENV HIL_DATA_DIR=/data HIL_HOST=0.0.0.0
EXPOSE 8080 8082
# The whole product in one process. For one service: node services/session/main.ts
CMD ["node", "cli/main.ts", "serve"]
