import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createConnectTransport } from "@connectrpc/connect-node";
import { SimulatedClock } from "@xiezhi/base/clock.ts";
import { XiezhiError } from "@xiezhi/protos/errors.ts";
import { ClientFrameSchema, ServerFrameSchema } from "@xiezhi/protos/gen/xiezhi/sockets/v1/sockets_pb.js";
import { TakesService, WatchTakeRequestSchema, WatchTakeResponseSchema } from "@xiezhi/protos/gen/xiezhi/takes/v1/takes_pb.js";
import { clientOf, type Link, openLink } from "./client.ts";
import { connectMiddleware } from "./connect.ts";
import { errorOf } from "./failure.ts";
import { startGrpcServer } from "./grpc.ts";
import { memoryLink } from "./memory.ts";
import type { Credentials } from "./service.ts";
import { type PageSocket, socketServer } from "./sockets.ts";
import { takeId, takesDouble, doorDouble } from "./takes.double.ts";

const cookie = { name: "xiezhi-test", secure: false };

interface Way {
  name: string;
  open(t: TestContext, credentials: { bearer?: string }): Promise<Link>;
}

const ways: Way[] = [
  { name: "memory", open: async (_t, credentials) => memoryLink([takesDouble()], doorDouble(), credentials) },
  {
    name: "gRPC on a unix socket",
    async open(t, { bearer }) {
      const folder = await mkdtemp(join(tmpdir(), "rpc-"));
      const unixPath = join(folder, "s");
      const server = await startGrpcServer({ implementations: [takesDouble()], door: doorDouble(), unixPath });
      const link = openLink({ unixPath }, bearer === undefined ? {} : { bearer });
      t.after(async () => {
        link.close();
        server.close();
        await rm(folder, { recursive: true });
      });
      return link;
    },
  },
  ...[true, false].map((useBinaryFormat) => ({
    name: `Connect, ${useBinaryFormat ? "binary" : "JSON"}`,
    async open(t: TestContext, { bearer }: { bearer?: string }) {
      const baseUrl = await startJsonDoor(t);
      const transport = createConnectTransport({
        baseUrl,
        httpVersion: "1.1",
        useBinaryFormat,
        interceptors: [
          (next) => (request) => {
            if (bearer !== undefined) request.header.set("cookie", `a=b; ${cookie.name}=${bearer}`);
            return next(request);
          },
        ],
      });
      return { transport, close: () => {} };
    },
  })),
];

async function startJsonDoor(t: TestContext): Promise<string> {
  const middleware = connectMiddleware({ implementations: [takesDouble()], door: doorDouble(), cookie });
  const server = createServer((req, res) => void middleware({ req, res }, async () => res.writeHead(404).end("next")));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

function refusal(code: string, reason: string, details: Record<string, string> = {}) {
  return (error: unknown) => {
    assert.ok(error instanceof XiezhiError, String(error));
    assert.deepEqual({ code: error.code, reason: error.reason, details: { ...error.details } }, { code, reason, details });
    assert.notEqual(error.zh, "");
    return true;
  };
}

for (const way of ways) {
  test(`${way.name}: answers, streams and refusals are the same`, async (t) => {
    const takes = clientOf(TakesService, await way.open(t, { bearer: "clerk" }));
    assert.equal((await takes.getTake({ takeId })).take?.title, "take of 王五");
    const seen: bigint[] = [];
    for await (const { take } of takes.watchTake({ takeId })) seen.push(take?.lengthUs ?? -1n);
    assert.deepEqual(seen, [0n, 1n, 2n]);
    await assert.rejects(
      takes.getTake({ takeId: "../../etc" }),
      refusal("INVALID_ARGUMENT", "RPC_INVALID_FIELD", { field: "take_id", why: "must be a valid UUID" }),
    );
    await assert.rejects(
      takes.playTake({ takeId, requestId: takeId }),
      refusal("FAILED_PRECONDITION", "TAKES_SEALED", { since: "2026-09-28" }),
    );
    await assert.rejects(takes.listTakes({ roomId: "boom" }), refusal("INTERNAL", "RPC_INTERNAL"));
    const broken = takes.watchTake({ takeId: takeId.replace("0", "1") });
    await assert.rejects(
      async () => {
        for await (const _ of broken);
      },
      refusal("NOT_FOUND", "TAKES_UNKNOWN"),
    );
  });

  test(`${way.name}: a wrong session and none are refused`, async (t) => {
    const wrong = clientOf(TakesService, await way.open(t, { bearer: "stranger" }));
    await assert.rejects(wrong.getTake({ takeId }), refusal("UNAUTHENTICATED", "RPC_SESSION_ENDED"));
    const none = clientOf(TakesService, await way.open(t, {}));
    await assert.rejects(none.getTake({ takeId }), refusal("UNAUTHENTICATED", "RPC_SIGN_IN_FIRST"));
  });

  test(`${way.name}: a stream ends when its session is revoked`, async (t) => {
    const takes = clientOf(TakesService, await way.open(t, { bearer: "revoked-soon" }));
    const stream = takes.watchTake({ takeId: takeId.replace("0", "2") })[Symbol.asyncIterator]();
    assert.equal((await stream.next()).value?.take?.title, "silent from now on");
    await assert.rejects(stream.next(), refusal("UNAUTHENTICATED", "RPC_SESSION_ENDED"));
  });
}

test("the JSON door speaks plain curl, sets and clears its cookie, and leaves other paths to others", async (t) => {
  const baseUrl = await startJsonDoor(t);
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${baseUrl}${path}`, { method: "POST", body, headers: { "content-type": "application/json", ...headers } });
  assert.equal(await (await post("/somewhere", "{}")).text(), "next");
  const signedIn = { cookie: `${cookie.name}=clerk` };
  const listed = await post("/xiezhi.takes.v1.TakesService/ListTakes", "{}", signedIn);
  assert.equal(listed.status, 200);
  assert.match(
    listed.headers.get("set-cookie") ?? "",
    /^xiezhi-test=fresh; Expires=Mon, 28 Sep 2026 .*; Path=\/; HttpOnly; SameSite=Strict$/,
  );
  const invalid = await post("/xiezhi.takes.v1.TakesService/GetTake", '{"takeId":"x"}', signedIn);
  assert.equal(invalid.status, 400);
  assert.equal(((await invalid.json()) as { code: string }).code, "invalid_argument");
  assert.equal((await post("/xiezhi.takes.v1.TakesService/GetTake", "{not json", signedIn)).status, 400);
  assert.equal((await post("/xiezhi.takes.v1.TakesService/GetTake", `{"takeId":"${"x".repeat(5 << 20)}"}`, signedIn)).status, 429);
});

/** A page's socket in memory; what it does not take stays in `bufferedAmount`. */
function pageSocket() {
  const listeners = new Map<string, (data?: unknown) => void>();
  const got: ReturnType<typeof fromBinary<typeof ServerFrameSchema>>[] = [];
  let closedWith = 0;
  const socket: PageSocket = {
    bufferedAmount: 0,
    send: (data, done) => {
      got.push(fromBinary(ServerFrameSchema, data));
      setImmediate(done);
    },
    close: (code) => {
      closedWith = code;
      listeners.get("close")?.();
    },
    on: (event: string, listener: (data: unknown, isBinary: boolean) => void) => listeners.set(event, (data) => listener(data, true)),
  };
  const open = (stream: number, method: string, request: Uint8Array) =>
    listeners.get("message")?.(
      toBinary(ClientFrameSchema, create(ClientFrameSchema, { stream, what: { case: "open", value: { method, request } } })),
    );
  return { socket, got, open, say: (data: unknown) => listeners.get("message")?.(data), closedWith: () => closedWith };
}

const watching = (id: string) => toBinary(WatchTakeRequestSchema, create(WatchTakeRequestSchema, { takeId: id }));
const clerk: Credentials = { cookie: "clerk", from: "test" };

test("WebSocket: streams side by side, each with its own end, and a pulse each second", async () => {
  const clock = new SimulatedClock();
  const { socket, got, open } = pageSocket();
  socketServer({ implementations: [takesDouble()], door: doorDouble(), clock }).accept(socket, clerk);
  open(1, "xiezhi.takes.v1.TakesService/WatchTake", watching(takeId));
  open(2, "xiezhi.takes.v1.TakesService/WatchTake", watching("no uuid"));
  open(3, "xiezhi.takes.v1.TakesService/GetTake", watching(takeId));
  open(4, "xiezhi.takes.v1.TakesService/WatchTake", watching(takeId.replace("0", "2")));
  await clock.advanceMs(2_000);
  const of = (stream: number) => got.filter((frame) => frame.stream === stream).map(({ what }) => what);
  assert.deepEqual(
    of(0).map(({ case: kind }) => kind),
    ["pulse", "pulse", "pulse"],
  );
  const lengths = of(1).map((what) =>
    what.case === "message" ? fromBinary(WatchTakeResponseSchema, what.value).take?.lengthUs : what.case,
  );
  assert.deepEqual(lengths, [0n, 1n, 2n, "end"]);
  const failures = [2, 3].map((stream) => of(stream).map((what) => what.case === "failure" && errorOf(what.value).reason));
  assert.deepEqual(failures, [["RPC_INVALID_FIELD"], ["RPC_UNKNOWN_METHOD"]]);
  assert.equal(of(4).length, 1, "a silent stream stays open");
});

test("WebSocket: garbage ends the socket, too many streams are refused", async () => {
  const clock = new SimulatedClock();
  const server = socketServer({ implementations: [takesDouble()], door: doorDouble(), clock });
  for (const garbage of [Buffer.from("garbage"), Buffer.alloc(0), "text"]) {
    const page = pageSocket();
    server.accept(page.socket, clerk);
    page.say(garbage);
    assert.equal(page.closedWith(), 1002);
  }
  const { socket, got, open } = pageSocket();
  server.accept(socket, clerk);
  for (let stream = 1; stream <= 65; stream++) open(stream, "xiezhi.takes.v1.TakesService/WatchTake", watching(takeId.replace("0", "2")));
  await clock.advanceMs(10);
  const refused = got.filter(({ what }) => what.case === "failure");
  assert.deepEqual(
    refused.map(({ stream }) => stream),
    [65],
  );
});
