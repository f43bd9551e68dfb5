import type { Principal } from "@hil/platform/auth/principal.ts";
import { publicError } from "@hil/platform/errors/hil-error.ts";
import type { RateLimits } from "@hil/platform/limits/rate-limits.ts";
import type { Authenticate, CallHeaders } from "@hil/platform/rpc/service.ts";

/**
 * Looks at who makes a call that is handed on. What the caller may do, the service decides; but a call with a wrong
 * credential, or of a caller that calls too often, goes no further than here. Each gateway counts the calls that it
 * hands on, and each replica of a service those that it gets.
 */
export function admitForwarded({
  authenticate,
  limits,
}: {
  authenticate: Authenticate;
  limits: RateLimits;
}): (headers: CallHeaders) => Principal | Promise<Principal> {
  const count = (principal: Principal): Principal => {
    limits.admit(principal);
    return principal;
  };
  return (headers) => {
    try {
      const principal = authenticate(headers);
      if (!(principal instanceof Promise)) return count(principal);
      return principal.then(count).catch((error: unknown) => {
        throw publicError(error);
      });
    } catch (error) {
      throw publicError(error);
    }
  };
}
