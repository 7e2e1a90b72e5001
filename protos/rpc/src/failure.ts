import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorCode, errorCodes, isXiezhiError, XiezhiError } from "@xiezhi/protos/errors.ts";
import { type Failure, FailureSchema } from "@xiezhi/protos/gen/xiezhi/sockets/v1/sockets_pb.js";
import { rpcErrors } from "./rpc.errors.ts";

/** Trailer that carries a `Failure` in gRPC, base64 as all `-bin` keys. */
export const FAILURE_KEY = "xiezhi-error-bin";

const namesOfCodes = new Map<number, ErrorCode>(Object.entries(errorCodes).map(([name, number]) => [number, name as ErrorCode]));

/** A refusal as every transport tells it. */
export function failureOf(error: XiezhiError): Failure {
  const { reason, zh, en, details } = error;
  return create(FailureSchema, { code: errorCodes[error.code], reason, zh, en, details: { ...details } });
}

/** The refusal that the other end threw. */
export function errorOf(failure: Failure): XiezhiError {
  const { reason, zh, en, details } = failure;
  return new XiezhiError({ code: namesOfCodes.get(failure.code) ?? "UNKNOWN", reason, zh, en, details });
}

export function failureBytes(error: XiezhiError): Buffer {
  return Buffer.from(toBinary(FailureSchema, failureOf(error)));
}

export function toConnectError(error: XiezhiError): ConnectError {
  const details = [{ desc: FailureSchema, value: failureOf(error) }];
  return new ConnectError(error.message, errorCodes[error.code], undefined, details);
}

/** What a client throws: the refusal as it was meant where the far end sent one, else one by code. */
export function fromConnectError(error: unknown): XiezhiError {
  if (isXiezhiError(error)) return error;
  const connectError = ConnectError.from(error);
  const failure = connectError.findDetails(FailureSchema)[0] ?? failureInTrailer(connectError);
  if (failure) return errorOf(failure);
  if (connectError.code === Code.Canceled) return rpcErrors.cancelled();
  // Node's own errors (ECONNRESET, a certificate that is not believed ...) say that the far end was not reached.
  const { code: nodeCode } = (connectError.cause ?? {}) as { code?: unknown };
  if (connectError.code === Code.Unavailable || typeof nodeCode === "string") return rpcErrors.away(connectError.rawMessage);
  return rpcErrors.status(namesOfCodes.get(connectError.code) ?? "UNKNOWN", connectError.rawMessage);
}

function failureInTrailer(error: ConnectError): Failure | undefined {
  const value = error.metadata.get(FAILURE_KEY);
  if (value === null || value.length > 64_000) return undefined;
  try {
    return fromBinary(FailureSchema, Buffer.from(value, "base64"));
  } catch {
    return undefined;
  }
}
