import { createServer, type AddressInfo } from "node:net";
import type { Clock } from "@xiezhi/base/clock.ts";
import type { Secret } from "@xiezhi/base/secret.ts";
import { ServedConnection } from "./serving.ts";
import type { ServedTrack } from "./sdp.ts";
import { ServerLogin } from "./wire/digest.ts";

/** Where a stream sends for one client that plays. */
export interface RtspSink {
  /** An RTP packet of `ServedStream.tracks[track]`; its bytes must not change afterwards. */
  send(track: number, packet: Buffer): void;
  /** A sender report (`buildSenderReport`): the stream sends one at once and then each second. */
  report(track: number, senderReport: Buffer): void;
  /** What the client has not taken yet; a stream that minds leaves frames out. */
  readonly backlogBytes: number;
}

export interface ServedStream {
  tracks: readonly ServedTrack[];
  /** For each client that plays; gives what ends it. */
  subscribe(sink: RtspSink): () => void;
}

/** What can go wrong with a device; switches that may change while it runs. Absent, false and 0 are "off". */
export interface RtspFaults {
  /** Requests stay without an answer; what plays goes on. */
  mute?: boolean;
  /** No password is right. */
  refuseLogin?: boolean;
  /** Answers are random bytes. */
  garbage?: boolean;
  /** Each connection is cut after so many RTP packets. */
  dropAfterPackets?: number;
  /** Nothing is sent any more, and TCP stays open. */
  halfOpen?: boolean;
  /** Every nth RTP packet is left out. */
  losePackets?: number;
  /** Every byte is a write of its own. */
  slowOneByte?: boolean;
}

export interface RtspServerOptions {
  clock: Clock;
  /** 0, the default, finds a free one. */
  port?: number;
  login?: { username: string; password: Secret };
  /** By path without query, "/camera1"; nothing means 404. */
  streams(path: string): ServedStream | undefined;
  faults?: RtspFaults;
}

export interface RtspServer {
  readonly port: number;
  readonly faults: RtspFaults;
  /** Cuts every connection, as a device does that loses power. */
  dropAll(): void;
  close(): Promise<void>;
}

const CONNECTIONS_MAX = 256;
const REALM = "xiezhi";

/** An RTSP server for simulators on the loopback interface: RTP over the RTSP connection only, many clients a stream. */
export async function startRtspServer(options: RtspServerOptions): Promise<RtspServer> {
  const faults = options.faults ?? {};
  const { clock, login, streams } = options;
  const connections = new Set<ServedConnection>();
  const guard = () => (login ? new ServerLogin({ ...login, realm: REALM, clock }) : undefined);
  guard();
  const server = createServer({ noDelay: true }, (socket) => {
    const connection = new ServedConnection({
      socket,
      clock,
      guard: guard(),
      streams,
      faults,
      onClose: () => connections.delete(connection),
    });
    connections.add(connection);
  });
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const dropAll = () => {
    for (const connection of connections) connection.drop();
  };
  return {
    port: (server.address() as AddressInfo).port,
    faults,
    dropAll,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        dropAll();
      }),
  };
}
