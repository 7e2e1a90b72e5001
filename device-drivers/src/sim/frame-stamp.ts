/**
 * A user-data SEI (H.264 D.1.6, payload type 5) that counts: put before each picture while sending, kept bit for bit by the recorder,
 * so that every missing frame can be counted in the stored bytes.
 */
const STAMP_UUID = Buffer.from("8c6e2f4a5b0d4c7f9a3178657a686931", "hex");
const PAYLOAD_BYTES = 16 + 4 + 8;
const SEI = 6;
const USER_DATA_UNREGISTERED = 5;

export interface FrameStamp {
  /** Running number of the frame, never repeated by the loop. */
  frame: number;
  /** When it was taken, by the camera's clock, UTC ms. */
  utcMs: number;
}

export function stampNal({ frame, utcMs }: FrameStamp): Buffer {
  const payload = Buffer.alloc(PAYLOAD_BYTES);
  STAMP_UUID.copy(payload);
  payload.writeUInt32BE(frame >>> 0, 16);
  payload.writeBigUInt64BE(BigInt(Math.floor(utcMs)), 20);
  return Buffer.concat([Buffer.from([SEI]), escaped(Buffer.from([USER_DATA_UNREGISTERED, PAYLOAD_BYTES, ...payload, 0x80]))]);
}

/** The stamp that a NAL unit holds, or undefined. */
export function readStamp(nal: Uint8Array): FrameStamp | undefined {
  if ((nal[0]! & 0x1f) !== SEI) return undefined;
  const bytes = unescaped(nal.subarray(1));
  if (bytes.length < 2 + PAYLOAD_BYTES || bytes[0] !== USER_DATA_UNREGISTERED || !bytes.subarray(2, 18).equals(STAMP_UUID))
    return undefined;
  return { frame: bytes.readUInt32BE(18), utcMs: Number(bytes.readBigUInt64BE(22)) };
}

/** Emulation prevention (H.264 7.4.1.1): no three bytes may look like a start code. */
function escaped(bytes: Buffer): Buffer {
  const out: number[] = [];
  let zeros = 0;
  for (const byte of bytes) {
    if (zeros >= 2 && byte <= 3) {
      out.push(3);
      zeros = 0;
    }
    out.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return Buffer.from(out);
}

function unescaped(bytes: Uint8Array): Buffer {
  const out: number[] = [];
  let zeros = 0;
  for (const byte of bytes) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    out.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return Buffer.from(out);
}
