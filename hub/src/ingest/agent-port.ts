import { connect } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import type { Log } from "@xiezhi/base/log.ts";
import type { TlsFiles } from "@xiezhi/enrol/authority.ts";
import { peerOf } from "@xiezhi/enrol/peer.ts";
import { type CallHello, type CallProtocol, helloLine } from "@xiezhi/rpc/call.ts";
import { certificateOf } from "@xiezhi/rpc/tls.ts";

interface AgentPortOptions {
  host: string;
  port: number;
  tls: TlsFiles;
  /** Where rooms that can be called are spliced to. */
  callSocket: string;
  /** Serves the uplink on a connection. */
  uplink: { serve(connection: TLSSocket): void };
  log: Log;
}

const CALLS: readonly string[] = ["xiezhi-call", "xiezhi-live"] satisfies CallProtocol[];
const CONNECTIONS_MAX = 4096;
const HANDSHAKE_MS = 10_000;

/** The one port that agents dial: mutual TLS, then by ALPN (RFC 7301) the uplink, or bytes that are spliced to main. */
export async function startAgentPort(options: AgentPortOptions): Promise<{ port: number; close(): Promise<void> }> {
  const { host, port, tls, uplink, log } = options;
  const sockets = new Set<TLSSocket>();
  const server = createServer({
    ...tls,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
    ALPNProtocols: ["h2", ...CALLS],
    handshakeTimeout: HANDSHAKE_MS,
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.on("tlsClientError", (error, { remoteAddress }) => log.info({ from: remoteAddress, why: error.message }, "not let in"));
  server.on("secureConnection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", (error) => log.debug({ why: error.message }, "an agent's connection failed"));
    const certificate = certificateOf(socket.getPeerCertificate());
    const peer = peerOf(certificate?.uris ?? []);
    if (peer?.kind !== "room" || !certificate) {
      log.warn({ from: socket.remoteAddress, uris: certificate?.uris }, "the certificate is of no room");
      socket.destroy();
    } else if (socket.alpnProtocol === "h2") uplink.serve(socket);
    else if (typeof socket.alpnProtocol === "string" && CALLS.includes(socket.alpnProtocol))
      splice(socket, options.callSocket, {
        alpn: socket.alpnProtocol as CallProtocol,
        site: peer.siteId,
        room: peer.roomId,
        fingerprint: certificate.fingerprint,
      });
    else socket.destroy();
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  return {
    port: (server.address() as { port: number }).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Main is not there: the room's connection ends, and it dials again. */
function splice(room: TLSSocket, callSocket: string, hello: CallHello): void {
  const main = connect(callSocket);
  main.write(helloLine(hello));
  for (const [one, other] of [
    [room, main],
    [main, room],
  ] as const) {
    one.on("error", () => other.destroy());
    one.once("close", () => other.destroy());
    one.pipe(other);
  }
}
