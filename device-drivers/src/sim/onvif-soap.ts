import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Clock } from "@xiezhi/base/clock.ts";

/** How old a password's proof may be. */
const PROOF_AGE_MS = 5_000;
const REALM = "xiezhi-sim";

/** What the simulated camera knows when it answers one question. */
export interface OnvifFacts {
  name: string;
  model: string;
  utcMs: number;
  /** host:port under which it was called. */
  host: string;
  rtspPort: number;
  profiles: readonly { token: string; width: number; height: number }[];
  recall(token: string): void;
}

const PRESETS = [
  { token: "1", name: "全景 Overview" },
  { token: "2", name: "审判席 Bench" },
  { token: "3", name: "证人席 Witness" },
];

const NAMESPACES =
  'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl" xmlns:tptz="http://www.onvif.org/ver20/ptz/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:ter="http://www.onvif.org/ver10/error"';

function envelope(body: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?><s:Envelope ${NAMESPACES}><s:Body>${body}</s:Body></s:Envelope>`;
}

export function fault(subcode: string): string {
  return envelope(
    `<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>${subcode}</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en">${subcode}</s:Text></s:Reason></s:Fault>`,
  );
}

/** Answers one ONVIF question (ONVIF Core 8, Media 5, PTZ 5); an unknown one gets the fault that the standard asks for. */
export function answerSoap(body: string, facts: OnvifFacts): { status: number; xml: string } {
  const action = actionOf(body);
  const answer = action && answers[action];
  if (!answer) return { status: 400, xml: fault("ter:ActionNotSupported") };
  const inner = answer(facts, (name) => elementText(body, name));
  return inner === undefined ? { status: 400, xml: fault("ter:InvalidArgVal") } : { status: 200, xml: envelope(inner) };
}

/** The local name of the first element in the SOAP body. */
function actionOf(body: string): string | undefined {
  return /<(?:[\w-]+:)?Body\b[^>]{0,2000}>\s{0,2000}<(?:[\w-]+:)?(\w{1,64})/.exec(body)?.[1];
}

function elementText(body: string, name: string): string {
  return new RegExp(`<(?:[\\w-]+:)?${name}\\b[^>]{0,500}>([^<]{0,500})<`).exec(body)?.[1]?.trim() ?? "";
}

function text(value: string): string {
  return value.replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`);
}

type Answer = (facts: OnvifFacts, argument: (name: string) => string) => string | undefined;

const services = (facts: OnvifFacts) => [
  { prefix: "http://www.onvif.org/ver10/device/wsdl", url: `http://${text(facts.host)}/onvif/device_service` },
  { prefix: "http://www.onvif.org/ver10/media/wsdl", url: `http://${text(facts.host)}/onvif/media_service` },
  { prefix: "http://www.onvif.org/ver20/ptz/wsdl", url: `http://${text(facts.host)}/onvif/ptz_service` },
];

function dateTime(utcMs: number): string {
  const at = new Date(utcMs);
  return (
    `<tt:Time><tt:Hour>${at.getUTCHours()}</tt:Hour><tt:Minute>${at.getUTCMinutes()}</tt:Minute><tt:Second>${at.getUTCSeconds()}</tt:Second></tt:Time>` +
    `<tt:Date><tt:Year>${at.getUTCFullYear()}</tt:Year><tt:Month>${at.getUTCMonth() + 1}</tt:Month><tt:Day>${at.getUTCDate()}</tt:Day></tt:Date>`
  );
}

function videoSource(tag: string): string {
  return `<${tag} token="vsc"><tt:Name>vsc</tt:Name><tt:UseCount>2</tt:UseCount><tt:SourceToken>vs</tt:SourceToken><tt:Bounds x="0" y="0" width="1920" height="1080"/></${tag}>`;
}

function profile(tag: string, { token, width, height }: OnvifFacts["profiles"][number]): string {
  return (
    `<${tag} token="${token}" fixed="true"><tt:Name>${token}</tt:Name>${videoSource("tt:VideoSourceConfiguration")}` +
    `<tt:VideoEncoderConfiguration token="ve-${token}"><tt:Name>ve-${token}</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding>` +
    `<tt:Resolution><tt:Width>${width}</tt:Width><tt:Height>${height}</tt:Height></tt:Resolution><tt:Quality>5</tt:Quality>` +
    `<tt:RateControl><tt:FrameRateLimit>25</tt:FrameRateLimit><tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>4096</tt:BitrateLimit></tt:RateControl>` +
    `<tt:H264><tt:GovLength>50</tt:GovLength><tt:H264Profile>High</tt:H264Profile></tt:H264>` +
    `<tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type><tt:IPv4Address>0.0.0.0</tt:IPv4Address></tt:Address><tt:Port>0</tt:Port><tt:TTL>0</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast>` +
    `<tt:SessionTimeout>PT60S</tt:SessionTimeout></tt:VideoEncoderConfiguration>` +
    `<tt:PTZConfiguration token="ptz"><tt:Name>ptz</tt:Name><tt:UseCount>2</tt:UseCount><tt:NodeToken>ptz</tt:NodeToken></tt:PTZConfiguration></${tag}>`
  );
}

const answers: Record<string, Answer> = {
  GetSystemDateAndTime: ({ utcMs }) =>
    `<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType><tt:DaylightSavings>false</tt:DaylightSavings><tt:TimeZone><tt:TZ>UTC0</tt:TZ></tt:TimeZone><tt:UTCDateTime>${dateTime(utcMs)}</tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>`,
  GetServices: (facts) =>
    `<tds:GetServicesResponse>${services(facts)
      .map(
        ({ prefix, url }) =>
          `<tds:Service><tds:Namespace>${prefix}</tds:Namespace><tds:XAddr>${url}</tds:XAddr><tds:Version><tt:Major>2</tt:Major><tt:Minor>5</tt:Minor></tds:Version></tds:Service>`,
      )
      .join("")}</tds:GetServicesResponse>`,
  GetCapabilities: (facts) => {
    const [device, media, ptz] = services(facts);
    return (
      `<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Device><tt:XAddr>${device?.url}</tt:XAddr></tt:Device>` +
      `<tt:Media><tt:XAddr>${media?.url}</tt:XAddr><tt:StreamingCapabilities><tt:RTPMulticast>false</tt:RTPMulticast><tt:RTP_TCP>true</tt:RTP_TCP><tt:RTP_RTSP_TCP>true</tt:RTP_RTSP_TCP></tt:StreamingCapabilities></tt:Media>` +
      `<tt:PTZ><tt:XAddr>${ptz?.url}</tt:XAddr></tt:PTZ></tds:Capabilities></tds:GetCapabilitiesResponse>`
    );
  },
  GetDeviceInformation: ({ name, model }) =>
    `<tds:GetDeviceInformationResponse><tds:Manufacturer>Xiezhi</tds:Manufacturer><tds:Model>${text(model)}</tds:Model><tds:FirmwareVersion>1.0.0</tds:FirmwareVersion><tds:SerialNumber>${text(name)}</tds:SerialNumber><tds:HardwareId>sim</tds:HardwareId></tds:GetDeviceInformationResponse>`,
  GetHostname: ({ name }) =>
    `<tds:GetHostnameResponse><tds:HostnameInformation><tt:FromDHCP>false</tt:FromDHCP><tt:Name>${text(name)}</tt:Name></tds:HostnameInformation></tds:GetHostnameResponse>`,
  GetScopes: ({ name }) =>
    `<tds:GetScopesResponse><tds:Scopes><tt:ScopeDef>Fixed</tt:ScopeDef><tt:ScopeItem>onvif://www.onvif.org/Profile/Streaming</tt:ScopeItem></tds:Scopes><tds:Scopes><tt:ScopeDef>Configurable</tt:ScopeDef><tt:ScopeItem>onvif://www.onvif.org/name/${encodeURIComponent(name)}</tt:ScopeItem></tds:Scopes></tds:GetScopesResponse>`,
  GetVideoSources: () =>
    `<trt:GetVideoSourcesResponse><trt:VideoSources token="vs"><tt:Framerate>25</tt:Framerate><tt:Resolution><tt:Width>1920</tt:Width><tt:Height>1080</tt:Height></tt:Resolution></trt:VideoSources></trt:GetVideoSourcesResponse>`,
  GetProfiles: ({ profiles }) =>
    `<trt:GetProfilesResponse>${profiles.map((each) => profile("trt:Profiles", each)).join("")}</trt:GetProfilesResponse>`,
  GetProfile: ({ profiles }, argument) => {
    const found = profiles.find(({ token }) => token === argument("ProfileToken"));
    return found && `<trt:GetProfileResponse>${profile("trt:Profile", found)}</trt:GetProfileResponse>`;
  },
  GetStreamUri: ({ host, rtspPort, profiles }, argument) => {
    const token = argument("ProfileToken");
    if (!profiles.some((each) => each.token === token)) return undefined;
    const named = text(host.includes(":") ? host.slice(0, host.lastIndexOf(":")) : host);
    return `<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>rtsp://${named}:${rtspPort}/${token}</tt:Uri><tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout></trt:MediaUri></trt:GetStreamUriResponse>`;
  },
  SetSynchronizationPoint: () => "<trt:SetSynchronizationPointResponse/>",
  GetNodes: () =>
    '<tptz:GetNodesResponse><tptz:PTZNode token="ptz"><tt:Name>ptz</tt:Name><tt:MaximumNumberOfPresets>16</tt:MaximumNumberOfPresets><tt:HomeSupported>false</tt:HomeSupported></tptz:PTZNode></tptz:GetNodesResponse>',
  GetPresets: () =>
    `<tptz:GetPresetsResponse>${PRESETS.map(({ token, name }) => `<tptz:Preset token="${token}"><tt:Name>${text(name)}</tt:Name></tptz:Preset>`).join("")}</tptz:GetPresetsResponse>`,
  GotoPreset: ({ recall }, argument) => {
    const token = argument("PresetToken");
    if (!PRESETS.some((preset) => preset.token === token)) return undefined;
    recall(token);
    return "<tptz:GotoPresetResponse/>";
  },
};

/** Asked before anybody has signed in (ONVIF Core, access class PRE_AUTH). */
const OPEN_ACTIONS = ["GetSystemDateAndTime", "GetServices", "GetCapabilities", "GetHostname"];

/** The camera's door: WS-UsernameToken digest or HTTP digest; a nonce counts once and for 5 s by the camera's own clock. */
export class OnvifGate {
  private readonly login: { username: string; password: string };
  private readonly clock: Clock;
  private readonly clockOffsetMs: () => number;
  /** Nonces of ours that wait for their answer, and of theirs that were used: value → when, ms. */
  private readonly nonces = new Map<string, number>();

  constructor(login: { username: string; password: string }, clock: Clock, clockOffsetMs: () => number) {
    if (login.password === "") throw new Error("a login without a password is none");
    this.login = login;
    this.clock = clock;
    this.clockOffsetMs = clockOffsetMs;
  }

  challenge(): string {
    const nonce = randomBytes(16).toString("hex");
    this.forgetOld();
    this.nonces.set(nonce, this.clock.nowMs());
    return `Digest realm="${REALM}", qop="auth", algorithm=MD5, nonce="${nonce}"`;
  }

  allows(request: IncomingMessage, body: string): boolean {
    if (OPEN_ACTIONS.includes(actionOf(body) ?? "")) return true;
    this.forgetOld();
    const header = request.headers.authorization;
    return header?.startsWith("Digest ") ? this.digest(header, request.url ?? "") : this.token(body);
  }

  private digest(header: string, url: string): boolean {
    const part = (name: string) => new RegExp(`\\b${name}="?([^",]*)"?`).exec(header)?.[1] ?? "";
    const nonce = part("nonce");
    if (!this.nonces.delete(nonce) || part("uri") !== url) return false;
    const ha1 = md5(`${this.login.username}:${REALM}:${this.login.password}`);
    const expected = md5(`${ha1}:${nonce}:${part("nc")}:${part("cnonce")}:${part("qop")}:${md5(`POST:${url}`)}`);
    return part("username") === this.login.username && same(part("response"), expected);
  }

  private token(body: string): boolean {
    const nonce = elementText(body, "Nonce");
    const created = elementText(body, "Created");
    const age = Math.abs(this.clock.nowMs() + this.clockOffsetMs() - Date.parse(created));
    if (nonce === "" || !(age <= PROOF_AGE_MS) || this.nonces.has(nonce)) return false;
    this.nonces.set(nonce, this.clock.nowMs());
    const expected = createHash("sha1").update(Buffer.from(nonce, "base64")).update(created).update(this.login.password).digest("base64");
    return elementText(body, "Username") === this.login.username && same(elementText(body, "Password"), expected);
  }

  private forgetOld(): void {
    for (const [nonce, atMs] of this.nonces) if (this.clock.nowMs() - atMs > 2 * PROOF_AGE_MS) this.nonces.delete(nonce);
  }
}

function md5(value: string): string {
  return createHash("md5").update(value).digest("hex");
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
