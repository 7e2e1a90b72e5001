import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { SimulatedClock } from "@xiezhi/base/clock.ts";
import { silentLog } from "@xiezhi/base/log.ts";
import { ClientFrameSchema, ServerFrameSchema } from "@xiezhi/protos/gen/xiezhi/sockets/v1/sockets_pb.js";
import { TakesService } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { WebSocket } from "ws";
import { doorDouble, takeId, takesDouble } from "../takes.double.ts";
import { startWeb } from "./web.ts";

async function startPortal(t: TestContext, more: { host?: string } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "xz-web-"));
  t.after(() => rm(folder, { recursive: true }));
  const portalFolder = join(folder, "dist");
  await mkdir(join(portalFolder, "assets"), { recursive: true });
  await writeFile(join(folder, "hub.db"), "beside the portal");
  await writeFile(join(portalFolder, "index.html"), "<!doctype html><title>獬豸</title>");
  await writeFile(join(portalFolder, "assets", "app-1a2b.js"), "export {};");
  const kept: string[] = [];
  const web = await startWeb({
    host: more.host ?? "127.0.0.1",
    port: 0,
    tls: undefined,
    names: [],
    instance: "test",
    server: "hub",
    portalFolder,
    implementations: [takesDouble()],
    door: doorDouble(),
    middleware: [],
    clock: new SimulatedClock(),
    log: silentLog,
    refused: (why, path) => kept.push(`${why} ${path}`),
  });
  t.after(web.close);
  const ask = (path: string, options: { method?: string; headers?: Record<string, string>; body?: string } = {}) =>
    new Promise<{ status: number; headers: Record<string, string | string[] | undefined>; text: string }>((resolve, reject) => {
      const headers = { host: `localhost:${web.port}`, ...options.headers };
      const asked = request({ port: web.port, host: "127.0.0.1", path, method: options.method ?? "GET", headers }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
        response.once("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      });
      asked.once("error", reject).end(options.body);
    });
  const cookie = `xiezhi-test-hub-${web.port}=clerk`;
  return { web, ask, cookie, kept };
}

const json = { "content-type": "application/json" };
const LIST = "/xiezhi.takes.v1.TakesService/ListTakes";
const GET = "/xiezhi.takes.v1.TakesService/GetTake";

test("a page gets a session's cookie, which scripts can't read, and is known by a cookie of this server only", async (t) => {
  const { web, ask, cookie } = await startPortal(t);
  const origin = `http://localhost:${web.port}`;
  const post = (path: string, shown: string) =>
    ask(path, { method: "POST", headers: { ...json, origin, cookie: shown }, body: JSON.stringify(path === GET ? { takeId } : {}) });
  const answer = await post(LIST, cookie);
  assert.equal(answer.status, 200);
  const [given = ""] = answer.headers["set-cookie"] as string[];
  assert.match(given, new RegExp(`^xiezhi-test-hub-${web.port}=fresh;.*HttpOnly; SameSite=Strict`));
  assert.equal(JSON.parse((await post(GET, cookie)).text).take.id, takeId);
  assert.equal((await post(GET, `xiezhi-test-courtroom-1-${web.port}=clerk`)).status, 401);
});

test("another origin changes nothing, a foreign name is not served, and both are told to the audit", async (t) => {
  const { web, ask, cookie, kept } = await startPortal(t);
  const body = JSON.stringify({ takeId });
  const post = (headers: Record<string, string>) => ask(GET, { method: "POST", headers: { ...json, cookie, ...headers }, body });
  assert.equal((await post({})).status, 200, "a program sends no origin");
  for (const origin of ["http://evil.example", "null", `https://localhost:${web.port}`, `http://localhost:${web.port}.evil.example`])
    assert.equal((await post({ origin })).status, 403, origin);
  assert.equal((await post({ "sec-fetch-site": "cross-site" })).status, 403);
  assert.equal((await post({ host: `evil.example:${web.port}`, origin: `http://evil.example:${web.port}` })).status, 421);
  assert.equal((await ask("/", { headers: { host: "evil.example" } })).status, 421);
  assert.equal(kept.filter((line) => line === `ORIGIN ${GET}`).length, 5);
  assert.equal(kept.filter((line) => line.startsWith("HOST")).length, 2);
});

test("pages are served with their headers, every path of the portal is the portal, nothing beside it", async (t) => {
  const { ask } = await startPortal(t);
  const index = await ask("/");
  assert.match(index.text, /獬豸/);
  const policy = String(index.headers["content-security-policy"]);
  assert.match(policy, /script-src 'self';/);
  assert.match(policy, /default-src 'none';.*frame-ancestors 'none'/);
  assert.equal(index.headers["cache-control"], "no-cache");
  assert.equal((await ask("/cases/some-id")).text, index.text);
  assert.match(String((await ask("/assets/app-1a2b.js")).headers["cache-control"]), /immutable/);
  for (const path of ["/assets/../../hub.db", "/..%2f..%2fetc%2fpasswd", "/hub.db", "/assets/none.js", "/.env", "//etc/passwd.txt"])
    assert.equal((await ask(path)).status, 404, path);
});

function openSocket(port: number, headers: Record<string, string>, path = "/socket"): Promise<WebSocket | number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers: { host: `localhost:${port}`, ...headers } });
    socket.once("open", () => resolve(socket));
    socket.once("unexpected-response", (_, response) => resolve(response.statusCode ?? 0));
    socket.on("error", () => {});
  });
}

test("a page's socket needs its session and our origin", async (t) => {
  const { web, cookie, kept } = await startPortal(t);
  const origin = `http://localhost:${web.port}`;
  assert.equal(await openSocket(web.port, { origin }), 401);
  assert.equal(await openSocket(web.port, { origin: "http://evil.example", cookie }), 403);
  assert.equal(await openSocket(web.port, { cookie }), 403, "a cookie without an origin comes from no page of ours");
  assert.equal(await openSocket(web.port, { origin, cookie }, "/other"), 404);
  assert.equal(kept.length, 2);
  const socket = await openSocket(web.port, { origin, cookie });
  assert.ok(socket instanceof WebSocket);
  const frames: ReturnType<typeof fromBinary<typeof ServerFrameSchema>>[] = [];
  socket.on("message", (data: Buffer) => frames.push(fromBinary(ServerFrameSchema, data)));
  const method = `${TakesService.typeName}/WatchTake`;
  socket.send(
    toBinary(
      ClientFrameSchema,
      create(ClientFrameSchema, { stream: 1, what: { case: "open", value: { method, request: new Uint8Array() } } }),
    ),
  );
  while (!frames.some(({ what }) => what.case === "failure")) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(frames.find(({ what }) => what.case === "failure")?.stream, 1);
  socket.terminate();
});

test("garbage, floods of headers and huge bodies are refused, and the portal goes on", async (t) => {
  const { web, ask, cookie } = await startPortal(t);
  const send = (bytes: string | Buffer) =>
    new Promise<void>((resolve) => {
      const socket = connect(web.port, "127.0.0.1", () => socket.write(bytes));
      socket.on("error", () => {});
      socket.resume().once("close", () => resolve());
    });
  await send(Buffer.from("\x16\x03\x01\x02\x00\x01garbage\r\n\r\n"));
  await send(`GET / HTTP/1.1\r\nhost: localhost:${web.port}\r\n${"x-flood: 0123456789\r\n".repeat(5_000)}\r\n`);
  const big = ask(LIST, {
    method: "POST",
    headers: { ...json, cookie },
    body: `{"pageToken":"${"x".repeat(8 << 20)}"}`,
  }).then(
    ({ status }) => status,
    () => 0,
  );
  assert.ok([0, 413, 429, 400].includes(await big));
  assert.equal((await ask("/")).status, 200);
});

test("an address that is not loopback is not served without TLS", async (t) => {
  await assert.rejects(startPortal(t, { host: "0.0.0.0" }), /not loopback/);
});
