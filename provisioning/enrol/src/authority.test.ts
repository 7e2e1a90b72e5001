import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect } from "node:tls";
import { promisify } from "node:util";
import { systemClock } from "@xiezhi/base/clock.ts";
import { TakesService } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { clientOf, openLink } from "@xiezhi/rpc/client.ts";
import { startGrpcServer } from "@xiezhi/rpc/grpc.ts";
import { doorDouble, takeId, takesDouble } from "@xiezhi/rpc/takes.double.ts";
import { createAuthority, issue, openAuthority, tlsFor } from "./authority.ts";
import { peerOf } from "./peer.ts";

const run = promisify(execFile);
const hub = { kind: "program", name: "hub", names: ["localhost", "127.0.0.1"] } as const;

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "enrol-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

test("an authority issues certificates that name rooms and programs, and others can check", async (t) => {
  const folder = await temporary(t);
  await createAuthority(join(folder, "ca"), systemClock);
  await assert.rejects(createAuthority(join(folder, "ca"), systemClock), /already/);
  const authority = await openAuthority(join(folder, "ca"));
  await issue(authority, { kind: "room", siteId: "court-1", roomId: "courtroom-1" }, join(folder, "room"), systemClock);
  await issue(authority, hub, join(folder, "hub"), systemClock);
  const room = await tlsFor(join(folder, "room"));
  assert.equal(new X509Certificate(room.cert).subjectAltName, "URI:xiezhi:room:court-1/courtroom-1");
  assert.equal(
    new X509Certificate((await tlsFor(join(folder, "hub"))).cert).subjectAltName,
    "URI:xiezhi:program:hub, DNS:localhost, IP Address:127.0.0.1",
  );
  for (const file of ["room/key.pem", "hub/key.pem", "ca/authority.key.pem"])
    assert.equal((await stat(join(folder, file))).mode & 0o777, 0o600, file);
  const { stdout } = await run("openssl", [
    "verify",
    "-x509_strict",
    "-purpose",
    "sslclient",
    "-CAfile",
    join(folder, "room/ca.pem"),
    join(folder, "room/cert.pem"),
  ]);
  assert.match(stdout, /OK/);
  await assert.rejects(issue(authority, { kind: "room", siteId: "a/b", roomId: "x" }, join(folder, "bad"), systemClock), RangeError);
});

test("only one plain name of ours is understood", () => {
  assert.deepEqual(peerOf(["xiezhi:room:court-1/courtroom-1"]), { kind: "room", siteId: "court-1", roomId: "courtroom-1" });
  assert.deepEqual(peerOf(["https://elsewhere", "xiezhi:program:hub"]), { kind: "program", name: "hub" });
  for (const uris of [
    [],
    ["xiezhi:room:a"],
    ["xiezhi:room:a/b/c"],
    ["xiezhi:room:../b"],
    ["xiezhi:program:hub/x"],
    ["xiezhi:user:a"],
    ["xiezhi:program:a", "xiezhi:program:b"],
  ])
    assert.equal(peerOf(uris), undefined, uris.join());
});

async function startTls(t: TestContext, folder: string) {
  const authority = await createAuthority(join(folder, "ca"), systemClock);
  const { key, cert, ca } = await issue(authority, hub, join(folder, "hub"), systemClock);
  const server = await startGrpcServer({
    implementations: [takesDouble()],
    door: doorDouble(),
    host: "127.0.0.1",
    port: 0,
    tls: { key, cert },
  });
  t.after(() => server.close());
  return { server, ca, authority };
}

test("gRPC over TLS: our client, buf curl by reflection and Python's grpcio see the same", async (t) => {
  const folder = await temporary(t);
  const { server, ca } = await startTls(t, folder);
  const link = openLink({ host: "localhost", port: server.port, tls: { ca } }, { bearer: "clerk" });
  t.after(() => link.close());
  assert.equal((await clientOf(TakesService, link).getTake({ takeId })).take?.title, "take of 王五");

  const buf = (...args: string[]) =>
    run("buf", ["curl", "--protocol", "grpc", "--cacert", join(folder, "hub/ca.pem"), ...args], {
      env: { ...process.env, PATH: `${join(import.meta.dirname, "../../../node_modules/.bin")}:${process.env.PATH}`, HOME: folder },
    });
  const url = `https://localhost:${server.port}`;
  assert.match((await buf("--list-methods", url)).stdout, /xiezhi\.takes\.v1\.TakesService\/GetTake[\s\S]*|grpc\.health/);
  const bearer = ["-H", "authorization: Bearer clerk"];
  assert.match(
    (await buf(...bearer, "-d", JSON.stringify({ takeId }), `${url}/xiezhi.takes.v1.TakesService/WatchTake`)).stdout,
    /"lengthUs": ?"2"/,
  );
  await assert.rejects(
    buf(...bearer, "-d", '{"takeId":"x"}', `${url}/xiezhi.takes.v1.TakesService/GetTake`),
    /invalid_argument[\s\S]*take_id/,
  );

  const script = join(folder, "client.py");
  await writeFile(script, PYTHON_CLIENT);
  const { stdout } = await run("/usr/bin/python3", [script, String(server.port), join(folder, "hub/ca.pem"), takeId]);
  assert.deepEqual(JSON.parse(stdout), {
    health: "0801",
    bad: "INVALID_ARGUMENT",
    unsigned: "UNAUTHENTICATED",
    streamed: 3,
    tooLarge: "RESOURCE_EXHAUSTED",
  });
});

/** Raw bytes, no generated code: field 1 of the requests is the take's id. */
const PYTHON_CLIENT = `
import grpc, json, sys
port, ca, take = sys.argv[1:]
channel = grpc.secure_channel("localhost:" + port, grpc.ssl_channel_credentials(open(ca, "rb").read()))
signed = (("authorization", "Bearer clerk"),)
field = lambda text: b"\\x0a" + bytes([len(text)]) + text.encode()
def code(call):
    try:
        return call() and "OK"
    except grpc.RpcError as error:
        return error.code().name
get = channel.unary_unary("/xiezhi.takes.v1.TakesService/GetTake")
watch = channel.unary_stream("/xiezhi.takes.v1.TakesService/WatchTake")
print(json.dumps({
    "health": channel.unary_unary("/grpc.health.v1.Health/Check")(b"").hex(),
    "bad": code(lambda: get(field("x"), metadata=signed)),
    "unsigned": code(lambda: get(field(take))),
    "streamed": len(list(watch(field(take), metadata=signed))),
    "tooLarge": code(lambda: get(bytes(100 << 20), metadata=signed)),
}))
`;

test("garbage, floods of headers and half-open connections leave the server well and its memory flat", async (t) => {
  const folder = await temporary(t);
  const { server, ca } = await startTls(t, folder);
  const link = openLink({ host: "localhost", port: server.port, tls: { ca } }, { bearer: "clerk" });
  t.after(() => link.close());
  const takes = clientOf(TakesService, link);
  await takes.getTake({ takeId });
  global.gc?.();
  const before = process.memoryUsage().rss;
  for (let round = 0; round < 20; round++) await attack(server.port, ca, round);
  assert.equal((await takes.getTake({ takeId })).take?.id, takeId);
  assert.ok(process.memoryUsage().rss - before < 120e6, "memory is flat");
});

/** HTTP/2 connection preface (RFC 9113 3.4), then what no client should send. */
function attack(port: number, ca: string, round: number): Promise<void> {
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");
  const continuation = Buffer.concat([Buffer.from([0x00, 0x40, 0x00, round === 0 ? 1 : 9, 0, 0, 0, 0, 1]), Buffer.alloc(0x4000, 0x40)]);
  const bytes =
    round % 2 === 0 ? Buffer.alloc(1 << 20, round) : Buffer.concat([preface, ...Array.from({ length: 64 }, () => continuation)]);
  return new Promise((resolve) => {
    const socket = connect({ host: "localhost", port, ca, ALPNProtocols: ["h2"] }, () => socket.end(bytes));
    socket.on("error", () => {});
    socket.on("data", () => {});
    socket.once("close", () => resolve());
  });
}

test("a certificate of another authority is not believed", async (t) => {
  const folder = await temporary(t);
  const { server } = await startTls(t, folder);
  const other = await createAuthority(join(folder, "other"), systemClock);
  const link = openLink({ host: "localhost", port: server.port, tls: { ca: other.certificate } }, { bearer: "clerk" });
  t.after(() => link.close());
  await assert.rejects(clientOf(TakesService, link).getTake({ takeId }), { code: "UNAVAILABLE" });
  assert.ok((await readFile(join(folder, "other/authority.cert.pem"), "utf8")).startsWith("-----BEGIN CERTIFICATE"));
});
