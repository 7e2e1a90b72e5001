import { rmSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import type { Log } from "@xiezhi/base/log.ts";
import type { UsersService } from "./modules/users/users.service.ts";
import { newPassword } from "./bootstrap.ts";
import { programCall } from "./platform/call.ts";

const QUESTION_MAX_BYTES = 1_024;

/** What the machine's own operator asks of a running hub, over a unix socket that only its own user opens. */
export interface Question {
  act: "reset-user";
  login: string;
}
export type Answer = { ok: true; password: string } | { ok: false; message: string };

/** A new random password, told once; every session of theirs ends. */
export async function resetUser(users: UsersService, login: string): Promise<Answer> {
  const password = newPassword();
  try {
    await users.resetPassword(programCall("users.Reset"), login, password);
    return { ok: true, password };
  } catch (error) {
    return { ok: false, message: (error as Error).message };
  }
}

export async function serveControl(path: string, users: UsersService, log: Log): Promise<{ close(): Promise<void> }> {
  rmSync(path, { force: true });
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    answer(socket, users).catch((error: unknown) => {
      log.warn({ err: error }, "a question on the control socket was not understood");
      socket.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
  await chmod(path, 0o600);
  return { close: () => new Promise((resolve) => server.close(() => resolve())) };
}

async function answer(socket: Socket, users: UsersService): Promise<void> {
  let asked = "";
  for await (const piece of socket.setEncoding("utf8")) {
    asked += String(piece);
    if (asked.length > QUESTION_MAX_BYTES) throw new Error("too long a question");
  }
  const { act, login } = JSON.parse(asked) as Question;
  if (act !== "reset-user" || typeof login !== "string") throw new Error("an unknown question");
  socket.end(JSON.stringify(await resetUser(users, login)));
}

/** The running hub's answer, or undefined where none runs. */
export async function askControl(path: string, question: Question): Promise<Answer | undefined> {
  const socket = await new Promise<Socket | undefined>((resolve) => {
    const dialled = connect({ path, allowHalfOpen: true });
    dialled.once("connect", () => resolve(dialled)).once("error", () => resolve(undefined));
  });
  if (!socket) return undefined;
  socket.end(JSON.stringify(question));
  return JSON.parse(await text(socket)) as Answer;
}
