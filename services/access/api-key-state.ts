import { create } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type ApiKey, ApiKey_State, ApiKeySchema } from "@hil/gen/hil/access/v1/access_pb.ts";

/** When a key stops working, in milliseconds since 1970; Infinity for never. */
export function endTimeMs({ expireTime, revokeTime }: ApiKey): number {
  const times = [expireTime, revokeTime].map((time) => (time ? timestampDate(time).getTime() : Infinity));
  return Math.min(...times);
}

export function apiKeyState(apiKey: ApiKey, now: Date): ApiKey_State {
  if (apiKey.revokeTime) return ApiKey_State.REVOKED;
  return endTimeMs(apiKey) <= now.getTime() ? ApiKey_State.EXPIRED : ApiKey_State.ACTIVE;
}

/** A key as it is shown. */
export function withState(apiKey: ApiKey, now: Date): ApiKey {
  return create(ApiKeySchema, { ...apiKey, state: apiKeyState(apiKey, now) });
}
