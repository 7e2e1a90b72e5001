import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "@xiezhi/base/clock.ts";
import { Secret } from "@xiezhi/base/secret.ts";
import { type RtspFaults, startRtspServer } from "@xiezhi/rtsp/server.ts";
import type { Clip } from "../../sim/clips.ts";
import { LoopedStream } from "../../sim/looped-stream.ts";
import { answerSoap, fault, OnvifGate } from "../../sim/onvif-soap.ts";

const REQUEST_LIMIT_BYTES = 256 * 1024;

export interface OnvifCameraSimOptions {
  clock: Clock;
  name: string;
  main: Clip;
  small?: Clip;
  login: { username: string; password: string };
  port?: number;
  rtspPort?: number;
  driftPpm?: number;
  burst?: boolean;
}

export interface OnvifCameraSim {
  port: number;
  rtspPort: number;
  faults: OnvifFaults;
  main: LoopedStream;
  /** Tokens of the presets it was turned to, oldest first. */
  turnedTo: readonly string[];
  close(): Promise<void>;
}

/** Switches that may be turned while it runs. */
export interface OnvifFaults {
  /** Takes questions and never answers. */
  mute: boolean;
  refuseLogin: boolean;
  /** Answers bytes that are no SOAP. */
  garbage: boolean;
  /** Ends the connection in the middle of an answer. */
  drop: boolean;
  /** Camera's civil clock minus ours, milliseconds. */
  clockOffsetMs: number;
  /** What it calls itself; a hostile one says anything. */
  model: string;
  /** Names another host and port for its streams. */
  streamHost: string;
  rtsp: RtspFaults;
}

/** A camera as ONVIF Profile S and RTSP show it: device, media and PTZ services, two profiles, login by digest or WS-UsernameToken. */
export async function startOnvifCameraSim(options: OnvifCameraSimOptions): Promise<OnvifCameraSim> {
  const { clock, login } = options;
  const faults = {
    mute: false,
    refuseLogin: false,
    garbage: false,
    drop: false,
    clockOffsetMs: 0,
    model: "Xiezhi Sim 1080",
    streamHost: "",
  };
  const loop = { clock, driftPpm: options.driftPpm ?? 0, burst: options.burst ?? true };
  const main = new LoopedStream([options.main], loop);
  const small = options.small && new LoopedStream([options.small], loop);
  const rtsp = await startRtspServer({
    clock,
    port: options.rtspPort ?? 0,
    login: { username: login.username, password: new Secret(login.password) },
    streams: (path) => ({ "/main": main, "/small": small })[path.split("?")[0] ?? ""],
  });
  const gate = new OnvifGate(login, clock, () => faults.clockOffsetMs);
  const turnedTo: string[] = [];
  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    if (body === undefined) {
      response.writeHead(413, { connection: "close" }).end();
      return;
    }
    if (faults.mute) return;
    if (faults.garbage) {
      response.end(Buffer.from("ff00<<>>&&;{not xml", "latin1"));
      return;
    }
    const allowed = !faults.refuseLogin && gate.allows(request, body);
    if (!allowed) {
      response
        .writeHead(401, { "www-authenticate": gate.challenge(), "content-type": "application/soap+xml" })
        .end(fault("ter:NotAuthorized"));
      return;
    }
    const answer = answerSoap(body, {
      name: options.name,
      model: faults.model,
      utcMs: clock.nowMs() + faults.clockOffsetMs,
      // A camera names itself as it was called, so that one behind an address translation stays reachable.
      host: faults.streamHost || (request.headers.host ?? "127.0.0.1"),
      rtspPort: rtsp.port,
      profiles: [
        { token: "main", width: options.main.width ?? 0, height: options.main.height ?? 0 },
        ...(options.small ? [{ token: "small", width: options.small.width ?? 0, height: options.small.height ?? 0 }] : []),
      ],
      recall: (token) => turnedTo.push(token),
    });
    // Simple clients know no chunked answers, and header names only in this spelling.
    response.writeHead(answer.status, {
      "Content-Type": "application/soap+xml; charset=utf-8",
      "Content-Length": Buffer.byteLength(answer.xml),
    });
    if (faults.drop) {
      response.write(answer.xml.slice(0, answer.xml.length / 2));
      response.destroy();
    } else response.end(answer.xml);
  }

  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(options.port ?? 0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    rtspPort: rtsp.port,
    faults: Object.assign(faults, { rtsp: rtsp.faults }),
    main,
    turnedTo,
    async close() {
      main.close();
      small?.close();
      server.closeAllConnections();
      await Promise.all([rtsp.close(), new Promise((resolve) => server.close(resolve))]);
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += (part as Buffer).length;
    if (bytes > REQUEST_LIMIT_BYTES) return undefined;
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString("utf8");
}
