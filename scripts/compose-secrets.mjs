// Makes the secrets of a deployment with docker compose, where they are not there yet: its service `setup` runs this in
// a container before anything else starts. What is there already is left as it is.
//
//   /data/credentials   service-key, database-url, nats-url: for the services
//   /setup/postgres     the same password, for PostgreSQL's first start
//   /setup/nats         the same token, for nats-server

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const [data = "/data", setup = "/setup"] = process.argv.slice(2);
const credentials = join(data, "credentials");
const random = () => randomBytes(32).toString("base64url");

keep(join(credentials, "service-key"), () => `hil_service_${random()}`);

const databaseUrl = keep(
  join(credentials, "database-url"),
  () => `postgres://hil:${random()}@postgres:5432/hil`,
);
// Read by the user of PostgreSQL, whose number differs from image to image, out of a volume that only it mounts.
keep(
  join(setup, "postgres", "password.sql"),
  () => `ALTER ROLE hil PASSWORD '${new URL(databaseUrl).password}';\n`,
  0o644,
);

const natsUrl = keep(join(credentials, "nats-url"), () => `nats://${random()}@nats:4222`);
keep(
  join(setup, "nats", "nats.conf"),
  () =>
    `port: 4222\njetstream { store_dir: "/data" }\nauthorization { token: "${new URL(natsUrl).username}" }\n`,
  0o644,
);

/** Reads a file, or writes it whole where it is not there. */
function keep(path, make, mode = 0o600) {
  if (existsSync(path)) return readFileSync(path, "utf8");
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const text = make();
  writeFileSync(`${path}.new`, text, { mode });
  renameSync(`${path}.new`, path);
  process.stdout.write(`made ${path}\n`);
  return text;
}
