import type { WhoAmIResponse } from "@hil/gen/hil/access/v1/access_service_pb.ts";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useApp } from "../app-context.ts";
import { text } from "../text/text.ts";

/** Who this browser is signed in as: the person, the team and what the person may do. Nothing until that is known. */
export function SignedInAs() {
  const { access } = useApp();
  const who = useSignal<WhoAmIResponse | undefined>(undefined);
  useEffect(() => {
    const gone = new AbortController();
    access.whoAmI({}, { signal: gone.signal, timeoutMs: 15_000 }).then(
      (answer) => {
        who.value = answer;
      },
      () => {}, // signed out or without network: the banner says so
    );
    return () => gone.abort();
  }, []);
  if (!who.value?.principal) return null;
  const { principal, tenantDisplayName } = who.value;
  const words = text.value.settingsPage;
  const rights = principal.roles.map((role) => words.roles[role]).filter(Boolean);
  return (
    <section class="signed-in-as" aria-labelledby="signed-in-as">
      <h2 id="signed-in-as">{words.signedInAs}</h2>
      <dl class="facts">
        <Fact name={words.person} value={principal.name || (principal.memberId ? "" : words.owner)} />
        <Fact name={words.team} value={tenantDisplayName} />
        <Fact name={words.rights} value={rights.join(words.comma)} />
      </dl>
    </section>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  if (value === "") return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
