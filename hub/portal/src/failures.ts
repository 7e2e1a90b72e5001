import { Code, ConnectError } from "@connectrpc/connect";
import { defineErrors, type ErrorCode, errorCodes, isXiezhiError, XiezhiError } from "@xiezhi/protos/errors.ts";
import { type Failure, FailureSchema } from "@xiezhi/protos/gen/xiezhi/sockets/v1/sockets_pb.js";

const names = new Map(Object.entries(errorCodes).map(([name, number]) => [number as number, name as ErrorCode]));

const errors = defineErrors("PORTAL", {
  linkLost: () => ({ code: "UNAVAILABLE", reason: "LINK_LOST", zh: "与服务器的连接中断", en: "the connection to the server was lost" }),
  away: () => ({ code: "UNAVAILABLE", reason: "SERVER_AWAY", zh: "无法连接服务器", en: "the server can't be reached" }),
  unknown: (text: string) => ({ code: "UNKNOWN", reason: "UNKNOWN", zh: `未知错误：${text}`, en: `unknown error: ${text}` }),
});

export const linkLost = errors.linkLost;

/** A server's failure as the one error type. */
export function errorOf(failure: Failure): XiezhiError {
  const code = names.get(failure.code) ?? "UNKNOWN";
  return new XiezhiError({ code, reason: failure.reason, zh: failure.zh, en: failure.en, details: failure.details });
}

/** Whatever a call threw, as the one error type. */
export function toXiezhiError(thrown: unknown): XiezhiError {
  if (isXiezhiError(thrown)) return thrown;
  if (!(thrown instanceof ConnectError)) return errors.unknown(String(thrown));
  const failure = thrown.findDetails(FailureSchema)[0];
  if (failure) return errorOf(failure);
  // fetch gives no code when nobody answers; Connect calls it Unknown.
  if (thrown.code === Code.Unavailable || thrown.cause instanceof TypeError) return errors.away();
  const code = names.get(thrown.code) ?? "UNKNOWN";
  return new XiezhiError({ code, reason: `PORTAL_${code}`, zh: thrown.rawMessage, en: thrown.rawMessage });
}
