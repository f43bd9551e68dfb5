import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useLocation, useSearch } from "wouter-preact";
import { useApp } from "../app-context.ts";
import { returnPath } from "../page.ts";
import { text } from "../text/text.ts";
import { providerAddress, type SignInOutcome, signIn, signInOptions } from "./sign-in.ts";

/** What went wrong, and by which way in. From a provider, the server says it in the address (`?problem=`). */
type Problem =
  | { readonly by: "link" | "key"; readonly outcome: SignInOutcome }
  | { readonly by: "provider"; readonly name: string };

/** /login: by the link that the server printed (/login#token), by a provider, or by the owner key. */
export function SignInPage() {
  const { live } = useApp();
  const [, navigate] = useLocation();
  const search = useSearch();
  const key = useSignal("");
  const working = useSignal<"link" | "key" | undefined>(undefined);
  const problem = useSignal<Problem | undefined>(undefined);
  const provider = useSignal<string | undefined>(undefined);

  const attempt = async (by: "link" | "key", credential: { token: string } | { key: string }) => {
    if (working.value) return;
    working.value = by;
    problem.value = undefined;
    const outcome = await signIn(credential);
    working.value = undefined;
    if (outcome.kind === "signed-in") {
      key.value = "";
      live.start();
      navigate(returnPath(search), { replace: true });
    } else problem.value = { by, outcome };
  };

  useEffect(() => {
    const name = new URLSearchParams(location.search).get("problem");
    if (name) problem.value = { by: "provider", name };
    void signInOptions().then((options) => {
      provider.value = options.provider;
    });
  }, []);

  useEffect(() => {
    const follow = () => {
      const token = location.hash.slice(1);
      if (!token) return;
      // Out of the address bar and the history before anything else: it is as good as a password until used.
      history.replaceState(null, "", location.pathname + location.search);
      void attempt("link", { token });
    };
    follow();
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);

  const t = text.value;
  const words = t.signIn;
  return (
    <main id="main" class="sign-in">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          if (key.value.trim()) void attempt("key", { key: key.value.trim() });
        }}
      >
        <p class="brand">{t.product}</p>
        <h1>{words.title}</h1>
        {problem.value ? (
          <p class="problem" role="alert" id="sign-in-problem">
            {problemText(problem.value)}
          </p>
        ) : null}
        {provider.value ? (
          <a class="button primary" href={providerAddress(returnPath(search))}>
            {words.withProvider(provider.value)}
          </a>
        ) : null}
        {working.value === "link" ? (
          <p role="status">{words.working}</p>
        ) : (
          <p class="quiet">{problem.value?.by === "link" ? null : words.hint}</p>
        )}
        <label class="field">
          <span>{words.key}</span>
          <input
            type="password"
            name="password"
            autoComplete="current-password"
            required
            value={key}
            aria-describedby={problem.value ? "sign-in-problem" : undefined}
            onInput={(event) => {
              key.value = event.currentTarget.value;
            }}
          />
        </label>
        <button
          type="submit"
          class={provider.value ? "button" : "button primary"}
          disabled={working.value !== undefined}
        >
          {working.value === "key" ? words.working : words.submit}
        </button>
      </form>
    </main>
  );
}

function problemText(problem: Problem): string {
  const words = text.value.signIn;
  if (problem.by === "provider") {
    const known = words.providerProblems;
    // The name comes out of an address, and may be "constructor".
    return Object.hasOwn(known, problem.name) ? known[problem.name as keyof typeof known] : known.failed;
  }
  const { by, outcome } = problem;
  switch (outcome.kind) {
    case "refused":
      return by === "link" ? words.linkUsed : words.wrongKey;
    case "too-many":
      return words.tooMany(outcome.retryAfterS);
    case "failed":
    case "signed-in":
      return words.failed;
  }
}
