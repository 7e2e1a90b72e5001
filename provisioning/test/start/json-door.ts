import { fromJson, type MessageInitShape, create, toJson, type DescMethod, type JsonValue, type MessageShape } from "@bufbuild/protobuf";

/** Flags and length before each message of a stream; this flag marks the last, which tells how it ended (the Connect protocol). */
const PREFIX_BYTES = 5;
const END_OF_STREAM = 2;

/** The portal's JSON door as a page uses it: same origin, the session in a cookie. */
export class JsonDoor {
  private readonly portal: string;
  private cookie = "";

  constructor(portal: string, session?: JsonDoor) {
    this.portal = portal;
    this.cookie = session?.cookie ?? "";
  }

  async call<M extends DescMethod>(method: M, input: MessageInitShape<M["input"]>): Promise<MessageShape<M["output"]>> {
    const answer = await this.post(method, "application/json", Buffer.from(requestOf(method, input)));
    return fromJson(method.output, (await answer.json()) as JsonValue) as MessageShape<M["output"]>;
  }

  /** All that a method streams, once it has ended. */
  async stream<M extends DescMethod>(method: M, input: MessageInitShape<M["input"]>): Promise<MessageShape<M["output"]>[]> {
    const message = Buffer.from(requestOf(method, input));
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(message.length, 1);
    const answer = await this.post(method, "application/connect+json", Buffer.concat([prefix, message]));
    const said = Buffer.from(await answer.arrayBuffer());
    const messages: MessageShape<M["output"]>[] = [];
    for (let at = 0; at < said.length; ) {
      const end = at + PREFIX_BYTES + said.readUInt32BE(at + 1);
      const json = JSON.parse(said.toString("utf8", at + PREFIX_BYTES, end)) as { error?: unknown };
      if ((said[at]! & END_OF_STREAM) === 0) messages.push(fromJson(method.output, json as JsonValue) as MessageShape<M["output"]>);
      else if (json.error !== undefined) throw new Error(`${method.name}: ${JSON.stringify(json.error)}`);
      at = end;
    }
    return messages;
  }

  private async post({ name, parent }: DescMethod, contentType: string, body: Buffer<ArrayBuffer>): Promise<Response> {
    const headers = { "content-type": contentType, origin: this.portal, cookie: this.cookie };
    const answer = await fetch(`${this.portal}/${parent.typeName}/${name}`, { method: "POST", headers, body });
    if (!answer.ok) throw new Error(`${name}: ${answer.status} ${await answer.text()}`);
    this.cookie = answer.headers.getSetCookie()[0]?.split(";", 1)[0] ?? this.cookie;
    return answer;
  }
}

function requestOf<M extends DescMethod>(method: M, input: MessageInitShape<M["input"]>): string {
  return JSON.stringify(toJson(method.input, create(method.input, input)));
}
