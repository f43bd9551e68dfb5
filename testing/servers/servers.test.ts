import pg from "pg";
import { expect, test } from "vitest";
import { startNats } from "./nats-server.ts";
import { startPostgres } from "./postgres-server.ts";

test("PostgreSQL starts on a port of its own, and keeps its data over a kill", async () => {
  await using server = await startPostgres({ fsync: true });
  const url = await server.createDatabase("kept");
  const run = async (text: string) => {
    const client = new pg.Client({ connectionString: url });
    client.on("error", () => {});
    await client.connect();
    const { rows } = await client.query(text);
    await client.end();
    return rows;
  };
  await run("CREATE TABLE t (a int)");
  await run("INSERT INTO t VALUES (7)");
  await server.kill("SIGQUIT");
  await expect(run("SELECT 1")).rejects.toThrow();
  await server.restart();
  expect(await run("SELECT a FROM t")).toEqual([{ a: 7 }]);
});

test("nats-server starts on a port of its own, and comes back with an empty store where it was wiped", async () => {
  await using server = await startNats();
  const { pid } = server;
  await server.kill();
  server.wipe();
  await server.restart();
  expect(server.pid).not.toBe(pid);
});
