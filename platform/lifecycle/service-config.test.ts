import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readServiceConfig } from "./service-config.ts";

const SERVICE_KEY = "a-service-key-with-more-than-32-characters";
const right = {
  HIL_SERVICE_KEY: SERVICE_KEY,
  HIL_DATABASE_URL: "postgres://hil:secret@db/hil",
  HIL_NATS_URL: "nats://nats:4222",
  HIL_ACCESS_URL: "http://access:8080",
  HIL_DELIVERY_URL: "http://d1:8080,http://d2:8080",
};
const session = { storage: true, bus: true, peers: ["access", "delivery"] } as const;

const thrownBy = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return (error as Error).message;
  }
  return "";
};

test("a service is told where everything is", () => {
  expect(readServiceConfig(right, session)).toMatchObject({
    host: "127.0.0.1",
    port: 8080,
    serviceKey: SERVICE_KEY,
    storage: { kind: "postgres", url: "postgres://hil:secret@db/hil", connections: 10 },
    natsUrl: "nats://nats:4222",
    peers: { access: "http://access:8080", delivery: "http://d1:8080,http://d2:8080" },
  });
});

test("what a service does not need may be left out", () => {
  const { HIL_SERVICE_KEY, HIL_ACCESS_URL } = right;
  const needs = { storage: false, bus: false, peers: ["access"] } as const;
  const config = readServiceConfig({ HIL_SERVICE_KEY, HIL_ACCESS_URL }, needs);
  expect(config).toMatchObject({ storage: undefined, natsUrl: undefined, peers: { access: HIL_ACCESS_URL } });
});

test("all that is wrong is named at once, and no value: they may be secrets", () => {
  const wrong = {
    HIL_SERVICE_KEY: "short",
    HIL_DATABASE_URL: "mysql://root:pw@db/hil",
    HIL_NATS_URL: "http://token@nats",
    HIL_ACCESS_URL: "access",
    HIL_PORT: "99999",
    HIL_TRUSTED_PROXIES: "10.0.0.0/99",
  };
  const said = thrownBy(() => readServiceConfig(wrong, session));
  for (const name of [...Object.keys(wrong), "HIL_DELIVERY_URL"]) expect(said).toContain(name);
  for (const value of ["short", "pw@db", "token@nats"]) expect(said).not.toContain(value);
});

test("without a service key there is no start, whatever it listens on", () => {
  const { HIL_SERVICE_KEY: _, ...without } = right;
  const said = thrownBy(() => readServiceConfig(without, session));
  expect(said).toMatch(/HIL_SERVICE_KEY: must be set: by it the services of a deployment know each other/);
});

test("a secret may stand in a file, and what is set itself comes first", () => {
  const folder = mkdtempSync(join(tmpdir(), "hil-config-"));
  try {
    const file = join(folder, "service-key");
    writeFileSync(file, `${SERVICE_KEY}-of-the-file\n`);
    const { HIL_SERVICE_KEY: _, ...without } = right;
    const fromFile = readServiceConfig({ ...without, HIL_SERVICE_KEY_FILE: file }, session);
    expect(fromFile.serviceKey).toBe(`${SERVICE_KEY}-of-the-file`);
    expect(readServiceConfig({ ...right, HIL_SERVICE_KEY_FILE: file }, session).serviceKey).toBe(SERVICE_KEY);
    const missing = { ...without, HIL_SERVICE_KEY_FILE: join(folder, "nothing") };
    expect(thrownBy(() => readServiceConfig(missing, session))).toMatch(/HIL_SERVICE_KEY_FILE: .*ENOENT/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
