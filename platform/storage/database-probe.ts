import pg from "pg";

const PATIENCE_MS = 1_500;

/** Asks whether a PostgreSQL database answers, on a connection of its own that outlives no trouble. */
export interface DatabaseProbe {
  isThere(): Promise<boolean>;
  close(): Promise<void>;
}

export function createDatabaseProbe(url: string): DatabaseProbe {
  const pool = new pg.Pool({
    connectionString: url,
    max: 1,
    connectionTimeoutMillis: PATIENCE_MS,
    query_timeout: PATIENCE_MS,
    idleTimeoutMillis: 30_000,
    application_name: "hil probe",
  });
  pool.on("error", () => {}); // the next look tells
  return {
    async isThere() {
      const client = await pool.connect();
      const ignore = () => {}; // the query fails with it
      client.on("error", ignore);
      let broken = true;
      try {
        await client.query("SELECT 1");
        broken = false;
        return true;
      } finally {
        client.removeListener("error", ignore);
        client.release(broken);
      }
    },
    close: () => pool.end(),
  };
}
