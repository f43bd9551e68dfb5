import { createGroup, type Group, type GroupOptions } from "./group.ts";

/** A group for each tenant: its commands share transactions with each other and with nobody else's. */
export interface TenantGroups<Command, Result> {
  run(tenantId: string, command: Command): Promise<Result>;
}

/** Groups are made as they are needed, and forgotten when they have nothing to do. */
export function createTenantGroups<Command, Result>({
  runAll,
  ...options
}: Omit<GroupOptions<Command, Result>, "runAll"> & {
  readonly runAll: (tenantId: string, commands: readonly Command[]) => Promise<readonly Result[]>;
}): TenantGroups<Command, Result> {
  const groups = new Map<string, { readonly group: Group<Command, Result>; waiting: number }>();
  return {
    async run(tenantId, command) {
      let busy = groups.get(tenantId);
      if (!busy) {
        const group = createGroup({
          ...options,
          runAll: (commands: readonly Command[]) => runAll(tenantId, commands),
        });
        busy = { group, waiting: 0 };
        groups.set(tenantId, busy);
      }
      busy.waiting += 1;
      try {
        return await busy.group.run(command);
      } finally {
        busy.waiting -= 1;
        if (busy.waiting === 0) groups.delete(tenantId);
      }
    },
  };
}
