import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { newId } from "@xiezhi/base/ids.ts";
import { demoRooms } from "../src/demo/court.ts";
import { demoCourt } from "./demo-court.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const buf = join(root, "node_modules/.bin/buf");
/** Debian's own: it has python3-grpcio. */
const python = "/usr/bin/python3";
const reflection = fileURLToPath(new URL("./foreign/reflection.py", import.meta.url));
/** gRPC's codes as `buf curl` exits with them: eight times the code. */
const EXITS = { ok: 0, invalidArgument: 3 * 8, notFound: 5 * 8, permissionDenied: 7 * 8, unauthenticated: 16 * 8 };

interface Said {
  code: number | null;
  out: string;
  error: string;
}

/** What a program says to this on its stdin: nothing that is secret stands in a list of processes. */
async function said(command: string, words: readonly string[], input: string): Promise<Said> {
  const child = spawn(command, words, { stdio: "pipe" });
  const ended = once(child, "exit");
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [out, error] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await ended;
  return { code, out, error };
}

/** `buf curl` by reflection at one server. */
function curlAt(port: number, tls: readonly string[]) {
  const words = ["curl", "--protocol", "grpc", ...tls];
  return {
    list: () => said(buf, [...words, "--list-services", `https://localhost:${port}`], ""),
    call: (method: string, request: object, token?: string) => {
      const bearer = token === undefined ? [] : [`authorization: Bearer ${token}`];
      const given = [...words, "-H", "@-", "-d", "@-", `https://localhost:${port}/${method}`];
      return said(buf, given, [...bearer, "", JSON.stringify(request)].join("\n"));
    },
  };
}

interface Answered {
  services: string[];
  answers: { method: string; code: string; details?: string; response?: { [key: string]: unknown } }[];
}

/** Python's grpcio by reflection at one server: `calls` in this order. */
async function grpcioAt(port: number, tls: object, calls: object[], token?: string): Promise<Answered> {
  const { code, out, error } = await said(python, [reflection], JSON.stringify({ target: `localhost:${port}`, ...tls, token, calls }));
  assert.equal(code, 0, error);
  return JSON.parse(out);
}

test("buf curl and Python's grpcio list and call hub and agent, with valid and with invalid input", { timeout: 100_000 }, async (t) => {
  const [, room, elsewhere] = demoRooms;
  assert.ok(room && elsewhere && room.siteId !== elsewhere.siteId);
  const { court, home } = await demoCourt(t, [room, elsewhere]);
  const { grpcPort: hubPort } = JSON.parse(readFileSync(join(home, "hub/ready.json"), "utf8"));
  const { grpcPort: agentPort } = JSON.parse(readFileSync(join(home, "agents", room.id, "agent.json"), "utf8"));
  const tls = (name: string) => join(home, "hub/tls", name);
  const login = { login: "clerk", password: court.logins["clerk"] };

  await t.test("buf curl at the hub", async () => {
    const { list, call } = curlAt(hubPort, ["--cacert", tls("ca.pem")]);
    const services = (await list()).out.split("\n");
    for (const service of ["users", "sites", "cases", "hearings", "takes", "devices", "rooms", "audits"])
      assert.ok(
        services.some((name) => name.startsWith(`xiezhi.${service}.v1.`)),
        service,
      );
    assert.match((await call("grpc.health.v1.Health/Check", {})).out, /SERVING/);
    const { token } = JSON.parse((await call("xiezhi.users.v1.UsersService/LogIn", login)).out);
    const cases = "xiezhi.cases.v1.CasesService";
    assert.equal((await call(`${cases}/ListCases`, {}, token)).code, EXITS.ok);
    const tried = [
      { method: `${cases}/ListCases`, code: EXITS.unauthenticated, says: /RPC_SIGN_IN_FIRST/, token: "" },
      { method: `${cases}/ListCases`, request: { pageSize: -1 }, code: EXITS.invalidArgument, says: /page_size/ },
      { method: `${cases}/ReadNumber`, request: { text: "五号案" }, code: EXITS.invalidArgument, says: /CASES_/ },
      { method: `${cases}/GetCase`, request: { caseId: newId() }, code: EXITS.notFound, says: /CASES_/ },
      { method: "xiezhi.users.v1.UsersService/ListUsers", code: EXITS.permissionDenied, says: /system administrator/ },
      { method: "xiezhi.rooms.v1.RoomService/WatchDesk", request: { roomId: elsewhere.id }, code: EXITS.notFound, says: /ROOM_NOT_FOUND/ },
    ];
    for (const { method, request = {}, code, says, token: shown = token } of tried) {
      const answer = await call(method, request, shown);
      assert.equal(answer.code, code, `${method}: ${answer.error}`);
      assert.match(answer.error, says, method);
    }
  });

  await t.test("buf curl at the agent's own port: with the hub's certificate, and not without", async () => {
    const certificate = ["--cert", tls("cert.pem"), "--key", tls("key.pem")];
    const { list, call } = curlAt(agentPort, ["--cacert", tls("ca.pem"), ...certificate]);
    assert.match((await list()).out, /xiezhi\.rooms\.v1\.RoomService/);
    assert.match((await call("grpc.health.v1.Health/Check", {})).out, /SERVING/);
    const stranger = curlAt(agentPort, ["--cacert", tls("ca.pem")]);
    const refused = await stranger.list();
    assert.notEqual(refused.code, 0);
    assert.equal(refused.out, "");
  });

  await t.test("Python's grpcio at the hub", async () => {
    const ca = { ca: tls("ca.pem") };
    const signedIn = await grpcioAt(hubPort, ca, [{ method: "xiezhi.users.v1.UsersService/LogIn", request: login }]);
    assert.ok(signedIn.services.includes("xiezhi.cases.v1.CasesService"), signedIn.services.join(" "));
    const token = signedIn.answers[0]?.response?.["token"];
    assert.ok(typeof token === "string");
    const method = "xiezhi.cases.v1.CasesService/ListCases";
    const calls = [
      { method, request: {} },
      { method, request: { pageSize: -1 } },
    ];
    const [valid, invalid] = (await grpcioAt(hubPort, ca, calls, token)).answers;
    assert.equal(valid?.code, "OK", valid?.details);
    assert.equal(invalid?.code, "INVALID_ARGUMENT");
    assert.match(invalid?.details ?? "", /page_size/);
  });

  await t.test("Python's grpcio at the agent's own port", async () => {
    const certificate = { ca: tls("ca.pem"), cert: tls("cert.pem"), key: tls("key.pem") };
    const method = "xiezhi.rooms.v1.RoomService/WatchDesk";
    const calls = [
      { method, request: { roomId: room.id } },
      { method, request: { roomId: "" } },
    ];
    const { services, answers } = await grpcioAt(agentPort, certificate, calls);
    assert.ok(services.includes("xiezhi.rooms.v1.RoomService"), services.join(" "));
    const [valid, invalid] = answers;
    assert.equal(valid?.code, "OK", valid?.details);
    assert.ok(JSON.stringify(valid?.response).includes(room.id));
    assert.equal(invalid?.code, "INVALID_ARGUMENT");
    assert.match(invalid?.details ?? "", /room_id/);
  });
});
