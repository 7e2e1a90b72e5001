"""A foreign gRPC client: Debian's python3-grpcio, which knows of this project's contract only what a server reflects.

stdin:  {"target": "host:port", "ca": file, "cert"?: file, "key"?: file, "token"?: text, "calls": [{"method", "request"}]}
stdout: {"services": [name], "answers": [{"method", "code", "details"} or {"method", "code", "response"}]}

Of a method that streams its answers the first one is taken. What is secret comes by stdin only.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, text_format

WAIT_S = 10

# The part of grpc/reflection/v1/reflection.proto that is used here: one contract must be known before others can be asked for.
REFLECTION = text_format.Parse(
    """
    name: "reflection.proto" package: "grpc.reflection.v1" syntax: "proto3"
    message_type {
      name: "ServerReflectionRequest"
      field { name: "file_containing_symbol" number: 4 type: TYPE_STRING }
      field { name: "list_services" number: 7 type: TYPE_STRING }
    }
    message_type {
      name: "ServerReflectionResponse"
      field { name: "files" number: 4 type: TYPE_MESSAGE type_name: ".grpc.reflection.v1.FileDescriptorResponse" }
      field { name: "list" number: 6 type: TYPE_MESSAGE type_name: ".grpc.reflection.v1.ListServiceResponse" }
      field { name: "error" number: 7 type: TYPE_MESSAGE type_name: ".grpc.reflection.v1.ErrorResponse" }
    }
    message_type {
      name: "FileDescriptorResponse"
      field { name: "file_descriptor_proto" number: 1 type: TYPE_BYTES label: LABEL_REPEATED }
    }
    message_type {
      name: "ListServiceResponse"
      field { name: "service" number: 1 type: TYPE_MESSAGE label: LABEL_REPEATED type_name: ".grpc.reflection.v1.ServiceResponse" }
    }
    message_type { name: "ServiceResponse" field { name: "name" number: 1 type: TYPE_STRING } }
    message_type { name: "ErrorResponse" field { name: "error_message" number: 2 type: TYPE_STRING } }
    service {
      name: "ServerReflection"
      method {
        name: "ServerReflectionInfo"
        input_type: ".grpc.reflection.v1.ServerReflectionRequest" client_streaming: true
        output_type: ".grpc.reflection.v1.ServerReflectionResponse" server_streaming: true
      }
    }
    """,
    descriptor_pb2.FileDescriptorProto(),
)


class Server:
    """Its contract grows by what its reflection tells."""

    def __init__(self, channel, token):
        self.channel = channel
        self.metadata = [("authorization", f"Bearer {token}")] if token else []
        self.pool = descriptor_pool.DescriptorPool()
        self.pool.Add(REFLECTION)
        self.factory = message_factory.MessageFactory(self.pool)

    def services(self):
        return [service.name for service in self.reflected(list_services="*").list.service]

    def learn(self, symbol):
        files = self.reflected(file_containing_symbol=symbol).files.file_descriptor_proto
        told = {file.name: file for file in map(descriptor_pb2.FileDescriptorProto.FromString, files)}

        def add(name):
            if name not in told:
                return
            file = told.pop(name)
            for needed in file.dependency:
                add(needed)
            try:
                self.pool.FindFileByName(name)
            except KeyError:
                self.pool.Add(file)

        while told:
            add(next(iter(told)))

    def reflected(self, **question):
        answer = self.first("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", question)
        if answer.HasField("error"):
            raise LookupError(f"{question}: {answer.error.error_message}")
        return answer

    def first(self, path, request):
        service, name = path.split("/")
        method = self.pool.FindServiceByName(service).methods_by_name[name]
        asked, answered = (self.factory.GetPrototype(kind) for kind in (method.input_type, method.output_type))
        shape = descriptor_pb2.MethodDescriptorProto()
        method.CopyToProto(shape)
        opener = {
            (False, False): self.channel.unary_unary,
            (False, True): self.channel.unary_stream,
            (True, True): self.channel.stream_stream,
        }[(shape.client_streaming, shape.server_streaming)]
        call = opener(f"/{path}", request_serializer=asked.SerializeToString, response_deserializer=answered.FromString)
        message = json_format.ParseDict(request, asked())
        given = iter([message]) if shape.client_streaming else message
        answer = call(given, metadata=self.metadata, timeout=WAIT_S)
        return next(answer) if shape.server_streaming else answer

    def answer(self, method, request):
        try:
            self.learn(method.split("/")[0])
            response = json_format.MessageToDict(self.first(method, request))
            return {"method": method, "code": "OK", "response": response}
        except grpc.RpcError as error:
            return {"method": method, "code": error.code().name, "details": error.details()}


def read(path):
    with open(path, "rb") as file:
        return file.read()


asked = json.load(sys.stdin)
identity = {"private_key": read(asked["key"]), "certificate_chain": read(asked["cert"])} if "cert" in asked else {}
credentials = grpc.ssl_channel_credentials(root_certificates=read(asked["ca"]), **identity)
with grpc.secure_channel(asked["target"], credentials) as channel:
    server = Server(channel, asked.get("token"))
    answers = [server.answer(**call) for call in asked["calls"]]
    print(json.dumps({"services": server.services(), "answers": answers}))
