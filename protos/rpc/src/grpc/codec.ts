import { create, type DescMessage, type DescMethod, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Metadata, type MethodDefinition, type StatusObject } from "@grpc/grpc-js";
import { errorCodes, type XiezhiError } from "@xiezhi/protos/errors.ts";
import { FAILURE_KEY, failureBytes } from "../failure.ts";

function serializer(schema: DescMessage): (message: Message) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function parser(schema: DescMessage): (bytes: Buffer) => Message {
  return (bytes) => (bytes.length === 0 ? create(schema) : fromBinary(schema, bytes));
}

/** A protobuf-es method as grpc-js wants it; `service` may differ from the method's own for an alias. */
export function grpcMethod(method: DescMethod, service = method.parent.typeName): MethodDefinition<Message, Message> {
  return {
    path: `/${service}/${method.name}`,
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: serializer(method.input),
    requestDeserialize: parser(method.input),
    responseSerialize: serializer(method.output),
    responseDeserialize: parser(method.output),
  };
}

export function grpcStatus(error: XiezhiError): Partial<StatusObject> & Error {
  const metadata = new Metadata();
  metadata.set(FAILURE_KEY, failureBytes(error));
  return Object.assign(new Error(error.message), { code: errorCodes[error.code], details: error.message, metadata });
}
