/** How a sign-in ended. */
export type SignInOutcome =
  | { readonly kind: "signed-in" }
  | { readonly kind: "refused" }
  | { readonly kind: "too-many"; readonly retryAfterS: number }
  | { readonly kind: "failed" }; // the server was not reached, or is in trouble

/** Trades a token of a sign-in link, or a key, for the cookie of this browser. */
export async function signIn(credential: { token: string } | { key: string }): Promise<SignInOutcome> {
  try {
    const response = await post("/api/console/sign-in", credential);
    if (response.ok) return { kind: "signed-in" };
    if (response.status === 429) {
      return { kind: "too-many", retryAfterS: Number(response.headers.get("retry-after")) || 60 };
    }
    return { kind: response.status === 400 || response.status === 401 ? "refused" : "failed" };
  } catch {
    return { kind: "failed" }; // no network
  }
}

/** How people sign in here besides links and the owner key. */
export interface SignInOptions {
  /** The provider's name; undefined where there is none. */
  readonly provider: string | undefined;
}

/** Asks the server what it offers. None where it does not say: links and the owner key work all the same. */
export async function signInOptions(): Promise<SignInOptions> {
  try {
    const response = await fetch("/api/console/sign-in-options");
    const options = (await response.json()) as { oidc?: { name?: unknown } };
    return { provider: typeof options.oidc?.name === "string" ? options.oidc.name : undefined };
  } catch {
    return { provider: undefined }; // no network, or an older server
  }
}

/** Where a person goes to sign in at the provider. `next` is where to come back to. */
export function providerAddress(next: string): string {
  return next === "/inbox" ? "/login/oidc" : `/login/oidc?${new URLSearchParams({ next })}`;
}

/** Drops the cookie of this browser. False when the server was not reached. */
export async function signOut(): Promise<boolean> {
  try {
    return (await post("/api/console/sign-out", {})).ok;
  } catch {
    return false; // no network: the cookie is still there
  }
}

function post(path: string, body: object): Promise<Response> {
  return fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}
