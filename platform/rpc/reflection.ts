import type { DescFile, DescService, MessageInitShape } from "@bufbuild/protobuf";
import { createRegistry, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { Health } from "@hil/gen/grpc/health/v1/health_pb.ts";
import type { ServerReflectionResponseSchema } from "@hil/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection, type ServerReflectionRequest } from "@hil/gen/grpc/reflection/v1/reflection_pb.ts";

type Answer = MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"];

/**
 * The standard server reflection of gRPC, so that tools can call without the contracts at hand. It tells what the
 * contracts of this version say, which is public, and nothing of this deployment. gRPC's standard services are among them.
 */
export function reflectionRoutes(contracts: readonly DescService[]) {
  const services = [...contracts, Health, ServerReflection];
  const files = new Map<string, DescFile>();
  for (const { file } of services) collect(file, files);
  const registry = createRegistry(...files.values());
  const answer = ({ messageRequest }: ServerReflectionRequest): Answer => {
    switch (messageRequest.case) {
      case "listServices":
        return {
          case: "listServicesResponse",
          value: { service: services.map(({ typeName }) => ({ name: typeName })) },
        };
      case "fileByFilename":
        return fileAnswer(files.get(messageRequest.value.replace(/\.proto$/, "")), messageRequest.value);
      case "fileContainingSymbol":
        return fileAnswer(fileOf(messageRequest.value), messageRequest.value);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = messageRequest.value;
        const message = registry.getMessage(containingType);
        const found = message && registry.getExtensionFor(message, extensionNumber);
        return fileAnswer(found?.file, `${containingType}/${extensionNumber}`);
      }
      case "allExtensionNumbersOfType": {
        const extensionNumber: number[] = [];
        for (const each of registry) {
          if (each.kind === "extension" && each.extendee.typeName === messageRequest.value)
            extensionNumber.push(each.number);
        }
        return {
          case: "allExtensionNumbersResponse",
          value: { baseTypeName: messageRequest.value, extensionNumber },
        };
      }
      default:
        return errorAnswer(Code.InvalidArgument, "the request asks for nothing");
    }
  };
  const fileOf = (symbol: string): DescFile | undefined => {
    for (let name = symbol; name !== ""; name = name.slice(0, Math.max(0, name.lastIndexOf(".")))) {
      const found =
        registry.getService(name) ??
        registry.getMessage(name) ??
        registry.getEnum(name) ??
        registry.getExtension(name);
      if (found) return found.file;
    }
    return undefined;
  };
  return (router: ConnectRouter): void => {
    router.service(ServerReflection, {
      async *serverReflectionInfo(requests) {
        for await (const request of requests) {
          yield { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
        }
      },
    });
  };
}

/** A file and all that it imports, each after what it needs. */
function collect(file: DescFile, into: Map<string, DescFile>): void {
  for (const dependency of file.dependencies) collect(dependency, into);
  into.set(file.name, file);
}

/** A file with all that it imports. */
function fileAnswer(file: DescFile | undefined, name: string): Answer {
  if (!file) return errorAnswer(Code.NotFound, `nothing here is called ${name.slice(0, 200)}`);
  const all = new Map<string, DescFile>();
  collect(file, all);
  return {
    case: "fileDescriptorResponse",
    value: {
      fileDescriptorProto: [...all.values()]
        .reverse()
        .map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto)),
    },
  };
}

function errorAnswer(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
