/**
 * Frames on the unix sockets between agent, capture workers and codec worker: u32le length of the payload, u8 kind, payload.
 * Kind 0 is a JSON message; the other kinds are each socket's own.
 */
const HEAD_BYTES = 5;
const PAYLOAD_MAX_BYTES = 32 * 1024 * 1024;

/** What stands before a payload of `bytes`. */
export function frameHead(kind: number, bytes: number): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUInt32LE(bytes, 0);
  head[4] = kind;
  return head;
}

export function jsonFrame(message: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(message));
  return Buffer.concat([frameHead(0, text.length), text]);
}

/** Cuts a byte stream into frames. The payload handed out is valid during the call when it came whole in one piece: copy to keep. */
export class FrameReader {
  private readonly onFrame: (kind: number, payload: Buffer) => void;
  private pieces: Buffer[] = [];
  private have = 0;
  private need = HEAD_BYTES;

  constructor(onFrame: (kind: number, payload: Buffer) => void) {
    this.onFrame = onFrame;
  }

  /** Throws RangeError on a frame that no sender of ours makes; the connection is then to be dropped. */
  push(piece: Buffer): void {
    this.pieces.push(piece);
    this.have += piece.length;
    if (this.have < this.need) return;
    const bytes = this.pieces.length === 1 ? piece : Buffer.concat(this.pieces, this.have);
    let at = 0;
    this.need = HEAD_BYTES;
    while (at + HEAD_BYTES <= bytes.length) {
      const length = bytes.readUInt32LE(at);
      if (length > PAYLOAD_MAX_BYTES) throw new RangeError(`a frame of ${length} bytes`);
      const end = at + HEAD_BYTES + length;
      if (end > bytes.length) {
        this.need = HEAD_BYTES + length;
        break;
      }
      this.onFrame(bytes[at + 4] as number, bytes.subarray(at + HEAD_BYTES, end));
      at = end;
    }
    this.pieces = at < bytes.length ? [bytes.subarray(at)] : [];
    this.have = bytes.length - at;
  }
}
