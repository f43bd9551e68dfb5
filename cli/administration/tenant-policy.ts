// Changes a tenant's policy from what was typed.
//
// The policy is read, edited and stored under the version that was read. Where somebody else was faster, flags and
// templates are worked into what they stored; a whole file is not, because it would undo theirs.

import { ConnectError } from "@connectrpc/connect";
import type { Tenant, TenantPolicy } from "@hil/gen/hil/access/v1/access_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { reasonOf } from "@hil/platform/errors/hil-error.ts";
import type { Connection } from "../client.ts";
import { CommandError, EXIT } from "../exit-code.ts";
import { readText } from "../option-values.ts";
import type { Terminal } from "../terminal.ts";
import { editPolicy } from "./policy-edit.ts";
import { type GivenPolicy, POLICY_FLAGS } from "./policy-options.ts";

const TRIES = 5;

/** Whether a file or any flag says something about the policy. */
export function givesPolicy(options: GivenPolicy): boolean {
  return options.policy !== undefined || givesFlags(options);
}

/** The policy of a new tenant. Undefined: nothing was said. */
export async function newPolicy(options: GivenPolicy, terminal: Terminal): Promise<TenantPolicy | undefined> {
  if (!givesPolicy(options)) return undefined;
  return (await fileOf(options, terminal)) ?? editPolicy(undefined, options);
}

/** Works a file or the flags into a tenant's policy. Resolves to the tenant as it is then. */
export async function updatePolicy(
  { access }: Pick<Connection, "access">,
  { tenantId, options, displayName }: { tenantId: string; options: GivenPolicy; displayName?: string },
  terminal: Terminal,
): Promise<Tenant> {
  const file = await fileOf(options, terminal);
  if (!file && !givesFlags(options)) return (await access.updateTenant({ tenantId, displayName })).tenant!;
  const edit = (policy: TenantPolicy | undefined) => file ?? editPolicy(policy, options);
  return changePolicy({ access }, { tenantId, edit, displayName, tries: file ? 1 : TRIES });
}

/** Reads, edits and stores a policy, again where somebody else changed it in between. */
export async function changePolicy(
  { access }: Pick<Connection, "access">,
  {
    tenantId,
    edit,
    displayName,
    tries = TRIES,
  }: {
    tenantId: string;
    edit: (policy: TenantPolicy | undefined) => TenantPolicy;
    displayName?: string;
    tries?: number;
  },
): Promise<Tenant> {
  for (let attempt = 1; ; attempt += 1) {
    const { tenant } = await access.getTenant({ tenantId });
    try {
      const { tenant: updated } = await access.updateTenant({
        tenantId,
        displayName,
        policy: edit(tenant!.policy),
        expectedVersion: tenant!.version,
      });
      return updated!;
    } catch (error) {
      const wasFaster = error instanceof ConnectError && reasonOf(error) === ErrorReason.VERSION_MISMATCH;
      if (!wasFaster || attempt >= tries) throw error;
    }
  }
}

async function fileOf(options: GivenPolicy, terminal: Terminal): Promise<TenantPolicy | undefined> {
  if (options.policy === undefined) return undefined;
  if (givesFlags(options)) {
    throw new CommandError(EXIT.usage, "--policy holds all of a policy: use it alone, or the flags");
  }
  const { readPolicyFile } = await import("./policy-file.ts"); // the YAML library takes its time to load
  return readPolicyFile(await readText(options.policy, terminal), options.policy);
}

function givesFlags(options: GivenPolicy): boolean {
  return POLICY_FLAGS.some((flag) => options[flag] !== undefined);
}
