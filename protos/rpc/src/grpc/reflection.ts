import { create, createRegistry, type DescFile, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import {
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionResponseSchema,
} from "@xiezhi/protos/gen/grpc/reflection/v1/reflection_pb.js";
import { errorCodes } from "@xiezhi/protos/errors.ts";
import { implement, type Implementation } from "../service.ts";

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

/** gRPC server reflection: tools such as `buf curl` and grpcurl learn the contract from the server itself. */
export function reflection(implementations: readonly Implementation[]): Implementation {
  const services = implementations.map(({ service }) => service);
  const files = new Map<string, DescFile>();
  for (const { file } of services) collect(file, files);
  const registry = createRegistry(...files.values());

  const answerTo = (request: ServerReflectionRequest["messageRequest"]): Answer => {
    if (request.case === "listServices")
      return { case: "listServicesResponse", value: { service: services.map(({ typeName }) => ({ name: typeName })) } };
    if (request.case === "fileByFilename") return told(files.get(request.value.replace(/\.proto$/, "")), files);
    if (request.case === "fileContainingSymbol") return told(fileOf(request.value), files);
    if (request.case === "fileContainingExtension") {
      const { containingType, extensionNumber } = request.value;
      const message = registry.getMessage(containingType);
      return told(message && registry.getExtensionFor(message, extensionNumber)?.file, files);
    }
    return refused("not offered", errorCodes.UNIMPLEMENTED);
  };
  const fileOf = (symbol: string): DescFile | undefined => {
    // A method or field is found by the type it belongs to.
    const owner = symbol.slice(0, Math.max(0, symbol.lastIndexOf(".")));
    return (registry.get(symbol) ?? registry.get(owner))?.file;
  };
  return implement(ServerReflection, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests)
        yield create(ServerReflectionResponseSchema, {
          validHost: request.host,
          originalRequest: request,
          messageResponse: answerTo(request.messageRequest),
        });
    },
  });
}

/** Files by name without suffix, as descriptors of protobuf-es call them. */
function collect(file: DescFile, into: Map<string, DescFile>): void {
  if (into.has(file.name)) return;
  into.set(file.name, file);
  for (const needed of file.dependencies) collect(needed, into);
}

function told(file: DescFile | undefined, files: ReadonlyMap<string, DescFile>): Answer {
  if (!file) return refused("not known here", errorCodes.NOT_FOUND);
  const wanted = new Map<string, DescFile>();
  collect(file, wanted);
  const known = [...wanted.values()].filter(({ name }) => files.has(name));
  return {
    case: "fileDescriptorResponse",
    value: { fileDescriptorProto: known.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto)) },
  };
}

function refused(errorMessage: string, errorCode: number): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
