/** The xiezhi command: starts the demo court, holds a hearing by itself, verifies what it gave. */
import { Command, InvalidArgumentError } from "commander";
import { shareCompiledCode } from "./compiled.ts";
import { printFailure } from "./failure.ts";

shareCompiledCode();

const program = new Command("xiezhi").description("Records court hearings so that nothing is lost and nothing is changed unseen");

program
  .command("start")
  .description("start the demo court: a hub, two courtrooms and a detention-centre room, on simulated devices")
  .option("--hearing <seconds>", "instead, hold one hearing of so many seconds, verify it and print it as JSON", wholeSeconds)
  .option("--faults <name>", "with --hearing: camera-late or camera-dead", knownFault)
  .option("--reset", "ask, then clear all state first")
  .action(async ({ hearing, faults, reset }: { hearing?: number; faults?: "camera-late" | "camera-dead"; reset?: boolean }) => {
    if (reset) await (await import("./commands/reset.ts")).resetHome();
    if (hearing === undefined) await (await import("./commands/start.ts")).startDemo();
    else process.exitCode = await (await import("./commands/hearing.ts")).holdHearing({ seconds: hearing, ...(faults && { faults }) });
  });

program
  .command("verify")
  .description("verify an exported take with nothing but its files")
  .argument("<folder>", "the export")
  .option("--json", "print all as JSON")
  .option("--key <file>", "the room's verifier key from elsewhere than the folder")
  .action(async (folder: string, options: { json?: boolean; key?: string }) => {
    process.exitCode = (await import("./commands/verify.ts")).verify(folder, options);
  });

program
  .command("user")
  .description("users of the hub on this machine")
  .command("reset")
  .argument("<login>", "whose password is made anew; all sessions of theirs end")
  .action(async (login: string) => {
    await (await import("./commands/user.ts")).resetUser(login);
  });

await program.parseAsync().catch(printFailure);

function wholeSeconds(text: string): number {
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < 3 || seconds > 86_400)
    throw new InvalidArgumentError("expected whole seconds from 3 to 86400");
  return seconds;
}

function knownFault(text: string): "camera-late" | "camera-dead" {
  if (text !== "camera-late" && text !== "camera-dead") throw new InvalidArgumentError("expected camera-late or camera-dead");
  return text;
}
