// How a service answers calls, whatever brought them: each RPC is declared once and checked once.
//
// C1. Every RPC carries a policy with roles and a scope in its contract; a service with one that has none does not start.
// C2. A handler runs only for a caller whose roles and scopes the policy names, with a request that keeps the contract's rules.
// C3. A handler that throws something of its own gives INTERNAL; its text stays in the log.
// C4. Who calls, whether it may, and whether it calls too often is decided by the headers alone, so that a transport can
//     refuse before it reads the request.
// C5. A call that goes on ends once its credential works no more, or may no longer make it (R1).

import type {
  DescMessage,
  DescMethod,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { getOption, hasOption } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { Code, type ConnectError } from "@connectrpc/connect";
import { policy, type Role } from "@hil/gen/hil/access/v1/policy_pb.ts";
import { ErrorReason } from "@hil/gen/hil/errors/v1/error_reason_pb.ts";
import { hasScope, type Principal } from "../auth/principal.ts";
import { credentialHeaders, Recheck } from "../auth/recheck.ts";
import { hilError, metadataOf, publicError } from "../errors/hil-error.ts";
import { noRateLimits, type RateLimits } from "../limits/rate-limits.ts";
import type { Log } from "../telemetry/log.ts";
import { observed } from "./observed.ts";

/** What a handler knows about its call. */
export interface CallContext {
  readonly principal: Principal;
  /** Aborts when the caller goes away or its deadline passes. Made only when read: it costs. */
  readonly signal: AbortSignal;
}

type Unary<M extends DescMethod> = (
  request: MessageShape<M["input"]>,
  context: CallContext,
) => MessageInitShape<M["output"]> | Promise<MessageInitShape<M["output"]>>;

type ServerStream<M extends DescMethod> = (
  request: MessageShape<M["input"]>,
  context: CallContext,
) => AsyncIterable<MessageInitShape<M["output"]>>;

/** One short method for each RPC of a service. */
export type Handlers<S extends DescService> = {
  [K in keyof S["method"]]: S["method"][K] extends { methodKind: "unary" }
    ? Unary<S["method"][K]>
    : ServerStream<S["method"][K]>;
};

/** The headers of a call, by lower-case name. */
export interface CallHeaders {
  get(name: string): string | null;
}

/**
 * Tells who calls, from the headers alone; at once where it is remembered. Throws or rejects with CREDENTIAL_INVALID,
 * TENANT_SUSPENDED or TENANT_MISMATCH.
 */
export type Authenticate = (headers: CallHeaders) => Principal | Promise<Principal>;

export interface Method {
  readonly desc: DescMethod;
  /**
   * Tells who calls and counts the call, by the headers alone. Throws or rejects where the caller may not, or calls too
   * often. Absent where that is decided elsewhere.
   */
  admit?(headers: CallHeaders): Principal | Promise<Principal>;
  /** Checks the request and runs a unary handler. The caller too, unless `admit` gave its principal before. */
  unary(
    request: unknown,
    headers: CallHeaders,
    signal: () => AbortSignal,
    admitted?: Principal,
  ): Promise<unknown> | unknown;
  /** Checks the request and runs a streaming handler. The caller too, unless `admit` gave its principal before. */
  stream(
    request: unknown,
    headers: CallHeaders,
    signal: () => AbortSignal,
    admitted?: Principal,
  ): AsyncIterable<unknown>;
}

/** A service, ready for any transport. */
export interface Service {
  readonly desc: DescService;
  /** By local name: "createSession". */
  readonly methods: ReadonlyMap<string, Method>;
}

const patterns = new Map<string, RegExp>();

/** The patterns are the contracts' own. V8's matcher takes a third of the time of the RE2 that comes with the validator. */
const validator = createValidator({
  regexMatch(pattern, text) {
    let known = patterns.get(pattern);
    if (!known) {
      known = new RegExp(pattern, "u");
      patterns.set(pattern, known);
    }
    return known.test(text);
  },
});

export interface ServiceOptions {
  readonly authenticate: Authenticate;
  /** How often callers may call. Default: as often as they like. */
  readonly limits?: RateLimits;
  readonly log: Log;
}

/**
 * What tells whether a principal may call an RPC, as its policy says: it throws ROLE_MISSING or SCOPE_MISSING. Throws at once
 * where the RPC has no policy (C1).
 */
export function policyCheck(method: DescMethod): (principal: Principal) => void {
  const name = `${method.parent.typeName}.${method.name}`;
  if (!hasOption(method, policy)) {
    throw new Error(`${name} has no (hil.access.v1.policy); nobody may call it`);
  }
  const { roles, scope } = getOption(method, policy);
  if (!scope) throw new Error(`${name} names no scope in its policy`);
  const admitted = new Set<Role>(roles);
  return (principal) => {
    if (!principal.roles.some((role) => admitted.has(role))) throw roleMissing(method);
    if (!hasScope(principal, scope)) throw scopeMissing(method, scope);
  };
}

/** Joins a contract with its handlers. Throws when an RPC has no policy (C1). */
export function defineService<S extends DescService>(
  desc: S,
  handlers: Handlers<S>,
  { authenticate, limits = noRateLimits, log }: ServiceOptions,
): Service {
  const methods = new Map<string, Method>();
  const recheck = new Recheck(authenticate);
  for (const method of desc.methods) {
    const assertMay = policyCheck(method);
    const handler = (handlers as Record<string, (request: unknown, context: CallContext) => unknown>)[
      method.localName
    ]!;
    const admit = (principal: Principal): Principal => {
      limits.admit(principal); // first: a call that is not allowed is one call more all the same
      assertMay(principal);
      return principal;
    };
    const check = (request: unknown, principal: Principal, signal: () => AbortSignal): CallContext => {
      checkMessage(method.input, request);
      return {
        principal,
        get signal() {
          return signal();
        },
      };
    };
    const report = (error: unknown): ConnectError => {
      const shown = publicError(error);
      if (shown !== error)
        log.error({ err: error, method: `${desc.typeName}/${method.name}` }, "a call failed");
      setRetryAfter(shown);
      return shown;
    };
    const admitCaller = (headers: CallHeaders): Principal | Promise<Principal> => {
      const principal = authenticate(headers);
      return principal instanceof Promise ? principal.then(admit) : admit(principal);
    };
    const answering: Method = {
      desc: method,
      admit: (headers) => reported(() => admitCaller(headers), report) as Principal | Promise<Principal>,
      unary: (request, headers, signal, admitted) =>
        reported(() => {
          const run = (principal: Principal, shown: CallHeaders) => {
            const result = handler(request, check(request, principal, signal));
            // Services are not revoked, and what is there at once needs no second look.
            if (!(result instanceof Promise) || principal.kind === "service") return result;
            return new Promise((resolve, reject) => {
              const unfollow = recheck.follow(shown, { principal, check: assertMay, end: reject });
              result.then(
                (message) => {
                  unfollow();
                  resolve(message);
                },
                (error: unknown) => {
                  unfollow();
                  reject(error);
                },
              );
            });
          };
          const principal = admitted ?? admitCaller(headers);
          if (!(principal instanceof Promise)) return run(principal, headers);
          // The transport may let the headers go meanwhile.
          const shown = credentialHeaders(headers);
          return principal.then((each) => run(each, shown));
        }, report),
      async *stream(request, headers, signal, admitted) {
        try {
          const principal = admitted ?? (await admitCaller(headers));
          yield* whileAdmitted(
            signal(),
            (end) => recheck.follow(headers, { principal, check: assertMay, end }),
            (current) =>
              handler(
                request,
                check(request, principal, () => current),
              ) as AsyncIterable<unknown>,
          );
        } catch (error) {
          throw report(error);
        }
      },
    };
    methods.set(method.localName, observed(answering));
  }
  return { desc, methods };
}

/**
 * Carries a stream until it ends, `signal` aborts, or `follow` says that it must end; then it throws why. Its handler
 * learns of both by its signal.
 */
async function* whileAdmitted(
  signal: AbortSignal,
  follow: (end: (error: unknown) => void) => () => void,
  open: (signal: AbortSignal) => AsyncIterable<unknown>,
): AsyncIterable<unknown> {
  const call = new AbortController();
  const gone = () => call.abort(signal.reason);
  let refusal: { readonly error: unknown } | undefined;
  const unfollow = follow((error) => {
    refusal = { error };
    call.abort(error);
  });
  signal.addEventListener("abort", gone, { once: true });
  if (signal.aborted) gone();
  try {
    for await (const message of open(call.signal)) {
      if (refusal) break;
      yield message;
    }
  } finally {
    signal.removeEventListener("abort", gone);
    unfollow();
  }
  if (refusal) throw refusal.error;
}

/** Says when to come back in the ways that clients of HTTP and of gRPC know. */
function setRetryAfter(error: ConnectError): void {
  const ms = Number(metadataOf(error).retry_after_ms);
  if (!(ms > 0)) return;
  error.metadata.set("retry-after", String(Math.ceil(ms / 1000)));
  error.metadata.set("grpc-retry-pushback-ms", String(Math.ceil(ms)));
}

/** Runs something that may be done at once or later; what it throws either way is turned by `report`. */
function reported(work: () => unknown, report: (error: unknown) => ConnectError): unknown {
  try {
    const result = work();
    if (!(result instanceof Promise)) return result;
    return result.catch((error: unknown) => {
      throw report(error);
    });
  } catch (error) {
    throw report(error);
  }
}

/** Throws INVALID_REQUEST where a message does not keep the rules of its contract (C2). */
export function checkMessage(desc: DescMessage, message: unknown): void {
  const result = validator.validate(desc, message as MessageShape<typeof desc>);
  if (result.kind === "valid") return;
  if (result.kind === "error") throw result.error;
  const violation = result.violations[0];
  const field =
    violation?.field
      .map((part) => ("name" in part ? part.name : ""))
      .filter(Boolean)
      .join(".") ?? "";
  throw hilError(
    Code.InvalidArgument,
    ErrorReason.INVALID_REQUEST,
    result.violations.map((each) => each.toString().replace(/ \[[^\]]*\]$/, "")).join("; "),
    { field, rule: violation?.ruleId ?? "" },
  );
}

function roleMissing(method: DescMethod) {
  const name = `${method.parent.typeName}/${method.name}`;
  return hilError(
    Code.PermissionDenied,
    ErrorReason.ROLE_MISSING,
    `this credential may not call ${name}; use one of an owner, or of a role that the call's policy names`,
    { method: name },
  );
}

function scopeMissing(method: DescMethod, scope: string) {
  const name = `${method.parent.typeName}/${method.name}`;
  return hilError(
    Code.PermissionDenied,
    ErrorReason.SCOPE_MISSING,
    `this credential is narrowed to scopes that do not cover ${name}; it needs "${scope}"`,
    { method: name, scope },
  );
}
