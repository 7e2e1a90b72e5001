import type { TestEvent } from "node:test/reporters";
import { inspect } from "node:util";

/** What a suite's process tells the runner, one JSON line each. */
export type Heard =
  | { kind: "passed" | "skipped" }
  | { kind: "failure"; name: string; file: string; line: number; text: string }
  | { kind: "output"; text: string }
  | { kind: "finished"; file: string };

/** A file's own output is kept until the file is over and told only if it failed: at most the last 8,000 characters. */
const outputLimit = 8_000;

/** Reporter of `node --test`: counts tests, not the groups around them. @public loaded by node */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const outputs = new Map<string, string>();
  const failed = new Set<string>();
  for await (const event of events) for (const heard of hear(event, outputs, failed)) yield `${JSON.stringify(heard)}\n`;
}

function* hear(event: TestEvent, outputs: Map<string, string>, failed: Set<string>): Generator<Heard> {
  if (event.type === "test:stdout" || event.type === "test:stderr") {
    const { file, message } = event.data;
    outputs.set(file, ((outputs.get(file) ?? "") + message).slice(-outputLimit));
  } else if (event.type === "test:pass" && event.data.details.type !== "suite") {
    yield { kind: event.data.skip === undefined && event.data.todo === undefined ? "passed" : "skipped" };
  } else if (event.type === "test:fail") {
    const { name, file = "", line = 0, details } = event.data;
    failed.add(file);
    const { failureType, cause } = details.error as Error & { failureType?: string };
    if (failureType === "subtestsFailed") return; // each of them was told
    yield { kind: "failure", name, file, line, text: inspect(cause ?? details.error).replaceAll(/^/gm, "    ") };
  } else if (event.type === "test:complete" && event.data.name === event.data.file) {
    yield { kind: "finished", file: event.data.file }; // the file as a whole is a test of that name; told as it happens, not in order
  } else if (event.type === "test:summary" && event.data.file !== undefined) {
    const { file } = event.data;
    const output = outputs.get(file);
    if (failed.has(file) && output !== undefined) yield { kind: "output", text: `output of ${file}:\n${output}` };
  }
}
