import type { DescService } from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { createContextKey } from "@connectrpc/connect";
import type { Principal } from "../auth/principal.ts";
import type { Service } from "./service.ts";

/** The caller, where the transport admitted it by the headers before it read the request. */
export const admittedPrincipal = createContextKey<Principal | undefined>(undefined);

/** Serves services over Connect, gRPC and gRPC-Web, and in memory. */
export function connectRoutes(services: readonly Service[]) {
  return (router: ConnectRouter): void => {
    for (const { desc, methods } of services) {
      const implementation: Record<string, unknown> = {};
      for (const [name, method] of methods) {
        implementation[name] =
          method.desc.methodKind === "unary"
            ? (request: unknown, context: HandlerContext) =>
                method.unary(request, context.requestHeader, () => context.signal, admittedIn(context))
            : (request: unknown, context: HandlerContext) =>
                method.stream(request, context.requestHeader, () => context.signal, admittedIn(context));
      }
      router.service(desc, implementation as Partial<ServiceImpl<DescService>>);
    }
  };
}

const admittedIn = (context: HandlerContext): Principal | undefined => context.values.get(admittedPrincipal);
