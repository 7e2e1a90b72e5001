import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { after, garbage, HUGE_BYTES, huge, type Outcome, pour } from "./floods.ts";

/** One thing that is said to whoever connects; resolves when the other end has let go. */
interface Said {
  name: string;
  to(socket: Socket): Promise<Outcome>;
}

/** Bytes of a fragment of a picture; what RTP over TCP can carry is 64 KiB. */
const FRAGMENT_BYTES = 60_000;
const SDP = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:trackID=0\r\n";

/** What comes next; rejects when the other end leaves. */
async function heardFrom(socket: Socket): Promise<string> {
  const left = new AbortController();
  socket.once("close", () => left.abort());
  const [bytes] = (await once(socket, "data", { signal: left.signal })) as [Buffer];
  return bytes.toString("latin1");
}

/** Says this to the first question, whatever it is. */
function says(name: string, pieces: () => Iterable<Uint8Array | string>): Said {
  return {
    name,
    async to(socket) {
      await heardFrom(socket);
      return pour(socket, pieces());
    },
  };
}

const onvif = (bytes: number) => `HTTP/1.1 200 OK\r\ncontent-type: application/soap+xml\r\ncontent-length: ${bytes}\r\n\r\n<s:Envelope>`;

const OVER_ONVIF: readonly Said[] = [
  says("garbage", garbage),
  says("an answer that breaks off", () => [onvif(1_000)]),
  says("an answer of 100 MiB", () => after(onvif(HUGE_BYTES), huge())),
];

const OVER_RTSP: readonly Said[] = [
  says("garbage", garbage),
  says("an answer that breaks off", () => ["RTSP/1.0 200 O"]),
  says("an answer of 100 MiB", () => after(`RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: ${HUGE_BYTES}\r\n\r\n`, huge())),
  { name: "a picture of 100 MiB", to: playPictureWithoutEnd },
];

/** One NAL unit in fragments (RFC 6184 5.8, type 28), of which none is the last. */
function* pictureWithoutEnd(): Generator<Uint8Array> {
  for (let sent = 0, sequence = 0; sent < HUGE_BYTES; sent += FRAGMENT_BYTES, sequence++) {
    const packet = Buffer.alloc(4 + 12 + 2 + FRAGMENT_BYTES, 0x55);
    packet.set([0x24, 0]);
    packet.writeUInt16BE(packet.length - 4, 2);
    packet.set([0x80, 96], 4);
    packet.writeUInt16BE(sequence & 0xffff, 6);
    packet.writeUInt32BE(1, 8);
    packet.writeUInt32BE(7, 12);
    packet.set([0x7c, sequence === 0 ? 0x85 : 0x05], 16);
    yield packet;
  }
}

async function playPictureWithoutEnd(socket: Socket): Promise<Outcome> {
  for (;;) {
    const request = await heardFrom(socket);
    const [method = ""] = request.split(" ");
    const cseq = /^CSeq: (\d+)/im.exec(request)?.[1] ?? "";
    const answer = (fields = "\r\n") => socket.write(`RTSP/1.0 200 OK\r\nCSeq: ${cseq}\r\nSession: 12345678\r\n${fields}`);
    if (method === "DESCRIBE") answer(`Content-Type: application/sdp\r\nContent-Length: ${SDP.length}\r\n\r\n${SDP}`);
    else if (method === "SETUP") answer("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n");
    else answer();
    if (method === "PLAY") return pour(socket, pictureWithoutEnd());
  }
}

export interface HostileCamera {
  /** Resolves when each of its things was said to somebody who came by himself. */
  saidAll: Promise<{ name: string; outcome: Outcome }[]>;
  close(): Promise<void>;
}

/** Stands where a camera stood, and has something for each who connects to it: one thing a connection, then it hangs up at once. */
export async function startHostileCamera(ports: { onvif: number; rtsp: number }): Promise<HostileCamera> {
  const servers = await Promise.all([serve("ONVIF", ports.onvif, OVER_ONVIF), serve("RTSP", ports.rtsp, OVER_RTSP)]);
  return {
    saidAll: Promise.all(servers.map(({ said }) => said)).then((each) => each.flat()),
    close: async () => void (await Promise.all(servers.map(({ close }) => close()))),
  };
}

async function serve(protocol: string, port: number, list: readonly Said[]) {
  const waiting = [...list];
  const sockets = new Set<Socket>();
  const all = Promise.withResolvers<{ name: string; outcome: Outcome }[]>();
  const done: { name: string; outcome: Outcome }[] = [];
  const meet = async (socket: Socket) => {
    const next = waiting.shift();
    if (!next) return void socket.destroy();
    try {
      done.push({ name: `${protocol}, ${next.name}`, outcome: await next.to(socket) });
    } catch {
      // Who left without a question comes again.
      return void waiting.push(next);
    }
    if (done.length === list.length) all.resolve(done);
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).once("close", () => sockets.delete(socket));
    void meet(socket);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return {
    said: all.promise,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
