import { type AddressInfo, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { type Clock, systemClock } from "@xiezhi/base/clock.ts";
import { type OpenRtspOptions, openRtsp, type RtspSession } from "../client.ts";
import { packetizeSamples } from "../packetize.ts";
import { buildSenderReport } from "../rtcp.ts";
import type { RtspSink, ServedStream } from "../server.ts";

export interface ScriptedRequest {
  method: string;
  uri: string;
  /** Head as it came. */
  text: string;
  /** First line, CSeq and line ends are there already: give the rest, or another status. */
  answer(rest?: string, status?: number): string;
}

export type Script = Partial<Record<string, (request: ScriptedRequest) => string | Buffer | undefined>>;

export const ONE_TRACK = "v=0\r\nm=audio 0 RTP/AVP 8\r\na=control:trackID=1\r\n";

export function withBody(body: string, fields = ""): string {
  return `${fields}Content-Type: application/sdp\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** What a faultless camera with one track says; scripts replace single answers. */
const FAULTLESS: Script = {
  OPTIONS: ({ answer }) => answer("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n\r\n"),
  DESCRIBE: ({ answer }) => answer(withBody(ONE_TRACK)),
  SETUP: ({ answer }) => answer("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 12345678;timeout=60\r\n\r\n"),
  PLAY: ({ answer }) => Buffer.concat([Buffer.from(answer()), frames(3)]),
};

/** RTP packets of PCMA, interleaved, ready to be sent. */
export function frames(count: number, channel = 0): Buffer {
  const source = { payloadType: 8, ssrc: 7, sequence: 0 };
  const packets = Array.from({ length: count }, (_, i) => packetizeSamples(Buffer.alloc(160, i), i * 160, source));
  return Buffer.concat(packets.map((packet) => interleaved(channel, packet)));
}

export function interleaved(channel: number, packet: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x24, channel, packet.length >> 8, packet.length & 0xff]), packet]);
}

/** A camera that says what it is told to, quirks included. */
export async function scriptedCamera(t: TestContext, script: Script = {}) {
  const requests: ScriptedRequest[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      const heads = (text + chunk.toString("latin1")).split("\r\n\r\n");
      text = heads.pop() ?? "";
      for (const head of heads) respond(socket, head);
    });
  });
  const respond = (socket: Socket, text: string) => {
    const [method = "", uri = ""] = text.split(" ");
    const cseq = /^CSeq: (\d+)/m.exec(text)?.[1] ?? "";
    const answer = (rest = "\r\n", status = 200) => `RTSP/1.0 ${status} Said\r\nCSeq: ${cseq}\r\n${rest}`;
    const request = { method, uri, text, answer };
    requests.push(request);
    const said = (script[method] ?? FAULTLESS[method] ?? (() => answer()))(request);
    if (said !== undefined) socket.write(said);
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { port, url: `rtsp://127.0.0.1:${port}/live`, requests, sockets, methods: () => requests.map((request) => request.method) };
}

/** `openRtsp` with what a test seldom cares about, and what came of it. */
export async function openForTest(t: TestContext, options: Partial<OpenRtspOptions> & { url: string }) {
  const packets: Buffer[] = [];
  const arrivals: { track: number; arrivedUs: number }[] = [];
  const session: RtspSession = await openRtsp({
    wants: () => true,
    clock: systemClock,
    signal: new AbortController().signal,
    responseTimeoutMs: 2_000,
    onSenderReport: () => {},
    onRtp: ({ track, packet, arrivedUs }) => {
      packets.push(Buffer.from(packet));
      arrivals.push({ track, arrivedUs });
    },
    ...options,
  });
  t.after(() => session.close());
  return { session, packets, arrivals };
}

/** Waits for what has to come; fails after 5 s. */
export async function until(what: () => boolean): Promise<void> {
  const endUs = systemClock.monoUs() + 5e6;
  while (!what()) {
    if (systemClock.monoUs() > endUs) throw new Error(`never came true: ${what.toString()}`);
    await systemClock.sleep(2);
  }
}

/** A microphone that says a packet of 20 ms each 2 ms of `clock`, with a sender report at once. */
export function microphone(clock: Clock) {
  const sinks = new Set<RtspSink>();
  const stream: ServedStream = {
    tracks: [
      { kind: "audio", encoding: "PCMA", clockRate: 8000, channels: 1, payloadType: 8, fmtp: "" },
      { kind: "audio", encoding: "L16", clockRate: 48_000, channels: 1, payloadType: 97, fmtp: "" },
    ],
    subscribe(sink) {
      const sources = [8, 97].map((payloadType) => ({ payloadType, ssrc: payloadType, sequence: 65_500 }));
      let sent = 0;
      sinks.add(sink);
      for (const track of [0, 1])
        sink.report(track, buildSenderReport({ ssrc: 8, utcMs: 1e12, rtpTimestamp: 0, packets: 0, payloadBytes: 0 }));
      const timer = clock.every(2, () => {
        for (const [track, source] of sources.entries()) sink.send(track, packetizeSamples(Buffer.alloc(160, sent), sent * 160, source));
        sent++;
      });
      return () => {
        sinks.delete(sink);
        timer.cancel();
      };
    },
  };
  return { stream, sinks };
}
