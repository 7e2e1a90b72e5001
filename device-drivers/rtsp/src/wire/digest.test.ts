import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { SimulatedClock } from "@xiezhi/base/clock.ts";
import { Secret } from "@xiezhi/base/secret.ts";
import { ClientLogin, parseCredentials, ServerLogin } from "./digest.ts";

const account = { username: "admin", password: new Secret('秘密 "1"') };
const uri = "rtsp://127.0.0.1:554/camera1";

function both(options: { password?: string; allowBasic?: boolean } = {}) {
  const clock = new SimulatedClock();
  const server = new ServerLogin({ ...account, realm: "法庭", clock });
  const password = options.password === undefined ? account.password : new Secret(options.password);
  const client = new ClientLogin({ username: account.username, password, allowBasic: options.allowBasic ?? false });
  return { clock, server, client };
}

test("RFC 7616 clause 3.9.1: both examples are taken, another response is not", () => {
  const clock = new SimulatedClock();
  const server = new ServerLogin({ username: "Mufasa", password: new Secret("Circle of Life"), realm: "http-auth@example.org", clock });
  const rest =
    'username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, ' +
    'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"';
  const verdict = (algorithm: string, response: string) =>
    server.check("GET", "/dir/index.html", `Digest ${rest}, algorithm=${algorithm}, response="${response}"`);
  // The nonce is not this server's: "stale" says that the password was right.
  assert.equal(verdict("MD5", "8ca523f5e9506fed4657c9700eebdbec"), "stale");
  assert.equal(verdict("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"), "stale");
  assert.equal(verdict("MD5", "8ca523f5e9506fed4657c9700eebdbed"), "refused");
  assert.equal(verdict("SHA-512", "8ca523f5e9506fed4657c9700eebdbec"), "refused");
});

test("client and server agree, with the stronger algorithm, over many requests", () => {
  const { server, client } = both();
  assert.equal(client.authorization("DESCRIBE", uri), undefined);
  assert.ok(client.accept(server.challenge(false)));
  for (const method of ["DESCRIBE", "SETUP", "PLAY"]) {
    const authorization = client.authorization(method, uri);
    assert.match(authorization ?? "", /algorithm=SHA-256/);
    assert.equal(server.check(method, uri, authorization), "granted");
  }
});

test("an answer is good once, for its method and address, for 5 s, on its connection", () => {
  const { server, client, clock } = both();
  client.accept(server.challenge(false));
  const authorization = client.authorization("SETUP", uri);
  assert.equal(server.check("PLAY", uri, authorization), "refused");
  assert.equal(server.check("SETUP", `${uri}2`, authorization), "refused");
  assert.equal(server.check("SETUP", uri, authorization), "granted");
  assert.equal(server.check("SETUP", uri, authorization), "stale");
  const other = new ServerLogin({ ...account, realm: "法庭", clock });
  other.challenge(false);
  assert.equal(other.check("PLAY", uri, client.authorization("PLAY", uri)), "stale");
  clock.monoUs = () => 1e9 + 5_000_001;
  assert.equal(server.check("PLAY", uri, client.authorization("PLAY", uri)), "stale");
});

test("a stale nonce is answered anew, a refusal is not", () => {
  const { server, client } = both();
  assert.ok(client.accept(server.challenge(false)));
  assert.ok(client.accept(server.challenge(true)));
  assert.equal(client.accept(server.challenge(false)), false);
});

test("a device that changes its nonce without a word gets one more answer, once the password has proven right", () => {
  const { server, client } = both();
  client.accept(server.challenge(false));
  client.accepted();
  assert.ok(client.accept(server.challenge(false)));
  assert.equal(client.accept(server.challenge(false)), false);
});

test("a wrong password is refused", () => {
  const { server, client } = both({ password: "other" });
  client.accept(server.challenge(false));
  assert.equal(server.check("PLAY", uri, client.authorization("PLAY", uri)), "refused");
  for (const nonsense of [undefined, "", "Digest", "Basic YWRtaW46", `Digest ${"a".repeat(100_000)}`, "Digest username=admin"])
    assert.equal(server.check("PLAY", uri, nonsense), "refused");
});

test("an empty password guards nothing and is not accepted", () => {
  assert.throws(() => new ServerLogin({ username: "admin", password: new Secret(""), realm: "x", clock: new SimulatedClock() }));
});

test("of several challenges the strongest that we know is answered, in one field or in many", () => {
  const cases: [fields: string[], expected: RegExp | undefined][] = [
    [['Basic realm="x"', 'Digest realm="x", nonce="n"'], /^Digest /],
    [['Digest realm="x", nonce="n", algorithm=SHA-512-256, Digest realm="x", nonce="n", algorithm="SHA-256"'], /algorithm=SHA-256/],
    [['digest REALM="x",nonce=n,qop="auth-int,auth"'], /qop=auth, nc=00000001/],
    [['Digest realm="x", nonce="n", qop="auth-int"'], undefined],
    [['Basic realm="x"'], undefined],
    [["Negotiate"], undefined],
    [[], undefined],
  ];
  for (const [fields, expected] of cases) {
    const { client } = both();
    assert.equal(client.accept(fields), expected !== undefined, fields.join());
    if (expected) assert.match(client.authorization("PLAY", uri) ?? "", expected);
  }
});

test("Basic shows the password, so it has to be allowed", () => {
  const { client } = both({ allowBasic: true });
  assert.ok(client.accept(['Basic realm="x"']));
  const coded = client.authorization("PLAY", uri)?.replace("Basic ", "") ?? "";
  assert.equal(Buffer.from(coded, "base64").toString(), 'admin:秘密 "1"');
});

test("servers that know no qop, and sessions, are answered by their rules (RFC 2617 clause 3.2.2)", () => {
  const md5 = (text: string) => createHash("md5").update(text).digest("hex");
  const given = (header: string | undefined, name: string) => parseCredentials(header ?? "")[0]?.parameters.get(name) ?? "";
  const { client: old } = both({ password: "p" });
  old.accept(['Digest realm="r", nonce="n"']);
  const answer = old.authorization("PLAY", uri);
  assert.equal(given(answer, "response"), md5(`${md5("admin:r:p")}:n:${md5(`PLAY:${uri}`)}`));
  assert.doesNotMatch(answer ?? "", /qop|cnonce/);
  const { client } = both({ password: "p" });
  client.accept(['Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth", opaque="o\\"x"']);
  const session = client.authorization("PLAY", uri);
  const cnonce = given(session, "cnonce");
  const a1 = md5(`${md5("admin:r:p")}:n:${cnonce}`);
  assert.equal(given(session, "response"), md5(`${a1}:n:00000001:${cnonce}:auth:${md5(`PLAY:${uri}`)}`));
  assert.equal(given(session, "opaque"), 'o"x');
});
