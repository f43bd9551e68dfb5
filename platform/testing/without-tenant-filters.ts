// Does row-level security hold by itself?

import { Postgres } from "../storage/postgres.ts";

const FILTER = /(?:\b\w+\.)?\btenant_id = \$\d+(?!\d)/g;

/**
 * Runs `work` while no statement in any PostgreSQL database has a tenant filter: each lets everything through. Returns in
 * how many different statements there were any.
 */
export async function withoutTenantFilters(work: () => Promise<void>): Promise<number> {
  const { transaction } = Postgres.prototype;
  const rewritten = new Set<string>();
  const opened = (text: string) => {
    const bare = text.replace(FILTER, (filter) => `(${filter} OR true)`);
    // What SET gives a column is no filter.
    const open = bare.replace(/(\bSET\b.*?)(?=\bWHERE\b|$)/gs, (set) =>
      set.replace(/\((tenant_id = \$\d+) OR true\)/g, "$1"),
    );
    if (open !== text) rewritten.add(text);
    return open;
  };
  Postgres.prototype.transaction = function (this: Postgres, tenantId, run) {
    return transaction.call(this, tenantId, (inner) =>
      run({
        onCommit: (listener) => inner.onCommit(listener),
        query: (text, values) => inner.query(opened(text), values),
        last: (text, values) => inner.last(opened(text), values),
      }),
    ) as ReturnType<typeof run>;
  };
  try {
    await work();
  } finally {
    Postgres.prototype.transaction = transaction;
  }
  return rewritten.size;
}
