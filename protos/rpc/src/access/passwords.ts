import { argon2, randomBytes, timingSafeEqual } from "node:crypto";

/** RFC 9106 with the second parameters of OWASP's list: 19 MiB, 2 passes, 1 lane; about 30 ms of one core. */
const PARAMETERS = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const;
const SALT_BYTES = 16;
/** Hashing holds a thread of the pool that the database needs too. */
const AT_ONCE = 2;

let running = 0;
const waiting: (() => void)[] = [];

/** An Argon2id verifier in PHC string form. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const tag = await derive(password, salt, PARAMETERS);
  const { memory, passes, parallelism } = PARAMETERS;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(tag)}`;
}

const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,86})$/;
let decoy: Promise<string> | undefined;

/** The same work whether there is a verifier or not: the time of an answer does not tell which logins exist. */
export async function passwordFits(password: string, verifier: string | undefined): Promise<boolean> {
  const parts = PHC.exec(verifier ?? (await (decoy ??= hashPassword(randomBytes(16).toString("hex")))));
  if (!parts) throw new Error("a password verifier is not in PHC form");
  const [, memory, passes, parallelism, salt = "", expected = ""] = parts;
  const tag = Buffer.from(expected, "base64");
  const parameters = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism), tagLength: tag.length };
  const made = await derive(password, Buffer.from(salt, "base64"), parameters);
  return timingSafeEqual(made, tag) && verifier !== undefined;
}

async function derive(
  password: string,
  nonce: Uint8Array,
  parameters: { memory: number; passes: number; parallelism: number; tagLength: number },
): Promise<Buffer> {
  if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  running += 1;
  try {
    return await new Promise<Buffer>((resolve, reject) =>
      argon2("argon2id", { ...parameters, message: Buffer.from(password.normalize("NFC")), nonce }, (error, tag) =>
        error ? reject(error) : resolve(tag),
      ),
    );
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replaceAll("=", "");
}
