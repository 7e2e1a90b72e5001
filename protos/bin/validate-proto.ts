/**
 * Prints buf/validate/validate.proto from the descriptor inside @bufbuild/protovalidate: the npm package has no .proto text, and the
 * two must be of one version. Field options (the rules' own CEL) are left out; the runtime has them.
 */
import type { DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { FieldDescriptorProto_Label as Label, FieldDescriptorProto_Type as Type } from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

function typeOf(field: FieldDescriptorProto): string {
  return field.typeName || Type[field.type].toLowerCase();
}

function printField(field: FieldDescriptorProto, syntax: string, inOneof: boolean): string {
  let label = "";
  if (field.label === Label.REPEATED) label = "repeated ";
  else if (!inOneof && (syntax === "proto2" || field.proto3Optional)) label = "optional ";
  return `${label}${typeOf(field)} ${field.name} = ${field.number};`;
}

function printMessage(message: DescriptorProto, syntax: string): string {
  const lines: string[] = [];
  for (const nested of message.enumType) lines.push(printEnum(nested));
  for (const nested of message.nestedType) lines.push(printMessage(nested, syntax));
  for (const field of message.field) if (field.oneofIndex === undefined || !isSet(field)) lines.push(printField(field, syntax, false));
  for (const [index, oneof] of message.oneofDecl.entries()) {
    const members = message.field.filter((field) => isSet(field) && field.oneofIndex === index && !field.proto3Optional);
    if (members.length > 0) lines.push(`oneof ${oneof.name} {`, ...members.map((field) => printField(field, syntax, true)), "}");
  }
  for (const range of message.extensionRange)
    lines.push(`extensions ${range.start} to ${range.end === 536870912 ? "max" : range.end - 1};`);
  return [`message ${message.name} {`, ...lines, "}"].join("\n");
}

function isSet(field: FieldDescriptorProto): boolean {
  return Object.hasOwn(field, "oneofIndex");
}

function printEnum(type: EnumDescriptorProto): string {
  return [`enum ${type.name} {`, ...type.value.map((value) => `${value.name} = ${value.number};`), "}"].join("\n");
}

export function validateProto(): string {
  const file: FileDescriptorProto = file_buf_validate_validate.proto;
  const syntax = file.syntax || "proto2";
  return [
    `syntax = "${syntax}";`,
    `package ${file.package};`,
    ...file.dependency.map((name) => `import "${name}";`),
    ...file.enumType.map(printEnum),
    ...file.messageType.map((message) => printMessage(message, syntax)),
    ...file.extension.map((field) => `extend ${field.extendee} { ${printField(field, syntax, false)} }`),
    "",
  ].join("\n");
}
