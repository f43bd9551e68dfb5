// The session service as delivery sees it: takes reports, gives pictures. Keeps what it was told.

import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";
import type { DeliveryReport } from "@hil/gen/hil/session/v1/session_service_pb.ts";
import { TENANT_HEADER } from "@hil/platform/auth/authenticator.ts";
import type { DeliveryServiceOptions } from "../service.ts";

type Sessions = DeliveryServiceOptions["sessions"];

/** A report, and the tenant in whose name it came. */
export interface TakenReport extends DeliveryReport {
  readonly tenantId: string;
}

export interface FakeSessions extends Sessions {
  readonly reports: readonly TakenReport[];
  /** The last report about a delivery. */
  last(deliveryId: string): DeliveryReport["delivery"] | undefined;
  /** In whose name pictures were asked for. */
  readonly picturesOf: readonly string[];
  /** What GetAttachment gives, by number. */
  readonly pictures: Map<number, Uint8Array>;
  /** Set: reports are refused with what it gives. */
  refuseReports: ((tenantId: string) => ConnectError | undefined) | undefined;
}

export function createFakeSessions(): FakeSessions {
  const reports: TakenReport[] = [];
  const picturesOf: string[] = [];
  const pictures = new Map<number, Uint8Array>();
  return {
    reports,
    picturesOf,
    pictures,
    refuseReports: undefined,
    last: (deliveryId) => reports.findLast(({ delivery }) => delivery?.deliveryId === deliveryId)?.delivery,
    async reportDeliveries(request, options) {
      const tenantId = tenantOf(options);
      const refusal = this.refuseReports?.(tenantId);
      if (refusal) throw refusal;
      reports.push(
        ...((request.reports ?? []) as DeliveryReport[]).map((report) => ({ ...report, tenantId })),
      );
      return { $typeName: "hil.session.v1.ReportDeliveriesResponse" };
    },
    async getAttachment({ number = 0 }, options) {
      picturesOf.push(tenantOf(options));
      const data = pictures.get(number);
      if (!data) throw new ConnectError("no such picture", Code.NotFound);
      return { $typeName: "hil.session.v1.GetAttachmentResponse", data } as Awaited<
        ReturnType<Sessions["getAttachment"]>
      >;
    },
  };
}

function tenantOf(options: CallOptions | undefined): string {
  return new Headers(options?.headers).get(TENANT_HEADER) ?? "";
}
