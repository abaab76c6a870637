# `sqlfleet worker` for Container Apps, Kubernetes, ECS or any machine with a container runtime. See docs/workers.md.
FROM node:22-slim AS build
WORKDIR /source
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

FROM node:22-slim AS dependencies
WORKDIR /source
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force

FROM node:22-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /source/node_modules ./node_modules
COPY --from=build /source/dist/cli/sqlfleet.js ./dist/cli/sqlfleet.js
COPY package.json ./
# The image's own unprivileged user; by number, so that Kubernetes can check that it is not root.
USER 1000:1000
# Node itself is process 1, so that SIGTERM reaches the worker and not a shell.
ENTRYPOINT ["node", "dist/cli/sqlfleet.js"]
CMD ["worker"]
