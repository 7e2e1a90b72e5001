import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { createConnectTransport } from "@connectrpc/connect-web";
import { QueryClient } from "@tanstack/react-query";
import { pageClock } from "./clock.ts";
import { toXiezhiError } from "./failures.ts";
import { Socket, type Wire } from "./socket.ts";

const transport = createConnectTransport({ baseUrl: location.origin, useBinaryFormat: false, defaultTimeoutMs: 15_000 });

/** Calls a method over the JSON door; whatever goes wrong is a XiezhiError. */
export async function call<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  signal?: AbortSignal,
): Promise<MessageShape<O>> {
  try {
    const response = await transport.unary(method, signal, undefined, undefined, request);
    return response.message;
  } catch (thrown) {
    const error = toXiezhiError(thrown);
    if (error.code === "UNAUTHENTICATED" && method.name !== "WhoAmI") askWhoAmI();
    throw error;
  }
}

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      refetchOnWindowFocus: true,
      // Only what was not decided is asked again.
      retry: (count, thrown) => count < 2 && ["UNAVAILABLE", "ABORTED"].includes(toXiezhiError(thrown).code),
    },
  },
});

export const whoAmIKey = ["xiezhi.users.v1.UsersService/WhoAmI"] as const;

/** Somebody was refused as a stranger: the session is over, and the page must say so. */
export function askWhoAmI(): void {
  if (queries.getQueryData(whoAmIKey)) void queries.invalidateQueries({ queryKey: whoAmIKey });
}

export const socket = new Socket({
  clock: pageClock,
  dial: () => new WebSocket(`${location.origin.replace(/^http/, "ws")}/socket`) as Wire,
  refused: askWhoAmI,
});

/** A request id: UUIDv7 (RFC 9562 5.7). */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const view = new DataView(bytes.buffer);
  const nowMs = pageClock.nowMs();
  view.setUint32(0, Math.floor(nowMs / 0x10000));
  view.setUint16(4, nowMs % 0x10000);
  view.setUint8(6, (view.getUint8(6) & 0x0f) | 0x70);
  view.setUint8(8, (view.getUint8(8) & 0x3f) | 0x80);
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
