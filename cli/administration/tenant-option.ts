import type { Command } from "commander";
import type { Terminal } from "../terminal.ts";

/** Adds `--tenant`, by which an owner reaches into another tenant than its own. */
export function addTenantOption(command: Command, t: Terminal["t"]): Command {
  return command.option(
    "--tenant <id>",
    t(
      "the tenant; default: the key's own. Another one only for an owner",
      "租户；默认为密钥所属租户，仅所有者可指定其他租户",
    ),
  );
}

/** The same flag again, for a command that is shown to go on with. */
export function tenantFlag(tenant: string | undefined): string {
  return tenant ? ` --tenant ${tenant}` : "";
}
