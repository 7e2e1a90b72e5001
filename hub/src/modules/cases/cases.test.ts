import assert from "node:assert/strict";
import { test } from "node:test";
import { CasesService, NumberKind, Procedure } from "@xiezhi/protos/gen/xiezhi/cases/v1/cases_pb.js";
import { law, refused, requestId, startCourt } from "../../testing/court.ts";
import { cases } from "./cases.module.ts";
import { isWrong, type NumberPart, readNumber } from "./cases.law.ts";

const PRESENT_YEAR = 2026;

function read(typed: string) {
  const found = readNumber(typed, PRESENT_YEAR);
  assert.ok(!isWrong(found), JSON.stringify(found));
  return found;
}

law("法〔2015〕137号", "year, court code, type code, serial and 号 are told apart", () => {
  const numbers: [string, string, string, number, number][] = [
    ["（2024）粤0304民初12345号", "粤0304", "民初", 12345, 0],
    ["（2021）苏01行赔终71号", "苏01", "行赔终", 71, 0],
    ["（2019）最高法知民终1号", "最高法知", "民终", 1, 0],
    ["（2023）粤03刑更100号", "粤03", "刑更", 100, 0],
    ["（2022）京0491民初3号之一", "京0491", "民初", 3, 1],
    ["（2020）沪0115执异9号", "沪0115", "执异", 9, 0],
    ["（2024）粤0304民特监2号", "粤0304", "民特监", 2, 0],
    ["（2020）藏执复33号", "藏", "执复", 33, 0],
    ["（2023）最高法刑核00123456号", "最高法", "刑核", 123456, 0],
    ["（2020）兵民终5号之二十一", "兵", "民终", 5, 21],
  ];
  for (const [text, courtCode, typeCode, serial, suffix] of numbers)
    assert.deepEqual(read(text), {
      kind: "STANDARD",
      text,
      year: Number(text.slice(1, 5)),
      courtCode,
      typeCode,
      serial,
      suffix,
      corrected: false,
    });
});

law(
  "法〔2015〕137号",
  "half-width and 〔〕 brackets, spaces, full-width digits, zeros and a missing 号 are understood and put right",
  () => {
    const right = "（2024）粤0304民初12345号";
    const typed = [
      "(2024)粤0304民初12345号",
      "〔2024〕粤0304民初12345号",
      "[2024]粤0304民初12345號",
      "（2024）粤0304民初12345",
      " （ 2024 ） 粤 0304 民初 12345 号 ",
      "（２０２４）粤０３０４民初１２３４５号",
      "(2024)粤0304民初0012345",
    ];
    for (const text of typed)
      assert.deepEqual({ text: read(text).text, corrected: read(text).corrected }, { text: right, corrected: true });
    assert.equal(read(right).corrected, false);
  },
);

law("法〔2015〕137号", "a longer type code is never read as a shorter one", () => {
  for (const typeCode of ["民特监", "刑医解", "执监", "执", "行审复", "行审", "民辖终", "刑更监", "破", "破申"])
    assert.equal(read(`（2024）粤0304${typeCode}1号`).typeCode, typeCode);
});

law("法〔2015〕137号", "type codes count in their years; 诉前调 is an extension", () => {
  assert.equal(read("（2017）粤0304民破1号").typeCode, "民破");
  wrongIn("（2020）粤0304民破1号", "type");
  assert.equal(read("（2024）粤0304诉前调1号").kind, "EXTENSION");
});

function wrongIn(typed: string, part: NumberPart): void {
  const found = readNumber(typed, PRESENT_YEAR);
  assert.ok(isWrong(found), `${typed} was understood`);
  assert.equal(found.part, part, JSON.stringify(found));
}

law("法〔2015〕137号", "what is no case number is refused with the part", () => {
  for (const typed of ["", "abc", "民初字123", "（24）粤0304民初1号", "（2027）粤0304民初1号", "2024粤0304民初1号", "（1948）x1"])
    wrongIn(typed, "year");
  for (const typed of [
    "（2024）火0304民初1号",
    "（2024）0304民初1号",
    "（2024）粤030民初1号",
    "（2024）粤03045民初1号",
    "（2024）高法民初1号",
  ])
    wrongIn(typed, "court");
  for (const typed of ["（2024）粤0304民一初1号", "（2024）粤0304初民1号", "（2024）粤03041号x", "（2024）粤0304民初字第1号"])
    assert.ok(isWrong(readNumber(typed, PRESENT_YEAR)), typed);
  wrongIn("（2024）粤0304民一初1号", "type");
  for (const typed of ["（2024）粤0304民初号", "（2024）粤0304民初0号", "（2024）粤0304民初123456789号"]) wrongIn(typed, "serial");
  wrongIn("（2024）粤0304民初1号之百", "suffix");
  wrongIn("（2024）粤0304民初1号附", "end");
  wrongIn("（2024）粤0304民初1号<script>", "end");
});

test("a number from before 2016 is kept as it was written", () => {
  for (const typed of ["（2012）深福法民一初字第123号", "〔2009〕深中法刑二终字第45号", "(2015)穗中法民五终字第1001号之一"]) {
    const found = read(typed);
    assert.deepEqual({ kind: found.kind, text: found.text, corrected: found.corrected }, { kind: "LEGACY", text: typed, corrected: false });
  }
  wrongIn("（2012）<img src=x>1号", "end");
});

const aCase = { title: "张三诉李四买卖合同纠纷", cause: "买卖合同纠纷", procedure: Procedure.SIMPLIFIED, siteId: "court-1" };

test("a case is stored under the right form of its number, once, and only at the court that the number names", async (t) => {
  const court = await startCourt(t, { modules: [cases] });
  const clerk = await court.as("clerk", CasesService);
  const create = (number: string, more: object = {}) => clerk.createCase({ ...aCase, ...more, number, requestId: requestId() });
  const reading = await clerk.readNumber({ text: "(2024)粤0304民初7" });
  assert.deepEqual([reading.corrected, reading.number?.text], [true, "（2024）粤0304民初7号"]);
  const { case: made } = await create("(2024)粤0304民初7", { parties: [{ role: "原告", name: "张三" }] });
  assert.equal(made?.number?.text, "（2024）粤0304民初7号");
  await refused(create("（2024）粤0304民初7号"), "CASES_NUMBER_TAKEN");
  const elsewhere = await refused(create("（2024）粤0305民初7号"), "CASES_NUMBER_WRONG");
  assert.deepEqual([elsewhere.code, elsewhere.details.part, elsewhere.details.expectedEn], ["INVALID_ARGUMENT", "court", "粤0304"]);
  assert.equal((await refused(create("随便写的"), "CASES_NUMBER_WRONG")).details.part, "year");
  await refused(create("（2012）深福法民一初字第123号"), "CASES_LEGACY_UNCONFIRMED");
  const { case: legacy } = await create("（2012）深福法民一初字第123号", { legacyConfirmed: true });
  assert.equal(legacy?.number?.kind, NumberKind.LEGACY);
  const { case: same } = await clerk.getCase({ caseId: made?.id ?? "" });
  assert.deepEqual(same, made);
});

test("markup, quotes and long texts in a title are stored as they are or refused, never interpreted", async (t) => {
  const court = await startCourt(t, { modules: [cases] });
  const clerk = await court.as("clerk", CasesService);
  const titles = ["<script>alert(1)</script>", `'; DROP TABLE cases; --"`, "../../../etc/passwd", "100%_\\", "𠀀\u0301 é"];
  for (const [at, title] of titles.entries()) {
    const { case: made } = await clerk.createCase({ ...aCase, title, number: `（2024）粤0304民初${at + 1}号`, requestId: requestId() });
    assert.equal((await clerk.getCase({ caseId: made?.id ?? "" })).case?.title, title);
    assert.deepEqual(
      (await clerk.listCases({ search: title })).cases.map(({ id }) => id),
      [made?.id],
    );
  }
  assert.equal((await clerk.listCases({ search: "%" })).cases.length, 1);
  const long = clerk.createCase({ ...aCase, title: "长".repeat(10_000), number: "（2024）粤0304民初99号", requestId: requestId() });
  assert.equal((await refused(long, "RPC_INVALID_FIELD")).details.field, "title");
});

test("another court's case and an unknown one are told alike; lists show one's own court", async (t) => {
  const court = await startCourt(t, { modules: [cases] });
  const clerk = await court.as("clerk", CasesService);
  const stranger = await court.as("clerk-2", CasesService);
  const { case: made } = await clerk.createCase({ ...aCase, number: "（2024）粤0304民初1号", requestId: requestId() });
  const foreign = await refused(stranger.getCase({ caseId: made?.id ?? "" }), "CASES_NOT_FOUND");
  const unknown = await refused(stranger.getCase({ caseId: "00000000-0000-4000-8000-00000000ffff" }), "CASES_NOT_FOUND");
  assert.equal(foreign.message, unknown.message);
  assert.deepEqual((await stranger.listCases({})).cases, []);
  await refused(stranger.createCase({ ...aCase, number: "（2024）粤0304民初2号", requestId: requestId() }), "SITES_NOT_FOUND");
  const technician = await court.as("technician", CasesService);
  await refused(technician.listCases({}), "RIGHTS_ROLE_NEEDED");
});
