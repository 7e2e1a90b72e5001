/**
 * Case numbers by 法〔2015〕137号, in force 2016-01-01, with the type codes of the amended standard (in force 2019-01-01).
 * The tables are dated: the one of the number's own year counts.
 */

const STANDARD_SINCE_YEAR = 2016;

interface TypeCodes {
  law: string;
  fromYear: number;
  /** Last year in which such a number could be given. */
  untilYear?: number;
  /** In wide use, but not in the standard's table; to be confirmed by the court. */
  extension?: true;
  codes: string;
}

const typeCodes: readonly TypeCodes[] = [
  { law: "法〔2015〕137号 01", fromYear: 2016, codes: "刑辖 民辖 民辖终 民辖监 行辖 行辖终 赔辖 赔辖终" },
  {
    law: "法〔2015〕137号 02",
    fromYear: 2016,
    codes:
      "刑初 刑终 刑监 刑申 刑抗 刑再 刑没 刑核 刑医 刑医解 刑医复 刑医监 刑止 刑止调 刑止核 刑更 刑更监 刑更备 刑他 刑教 刑教解 刑教复 刑教监",
  },
  {
    law: "法〔2015〕137号 03",
    fromYear: 2016,
    codes: "民初 民终 民监 民申 民抗 民再 民撤 民特 民特监 民催 民督 民督监 民他 民保令 民保更",
  },
  { law: "法〔2015〕137号 04", fromYear: 2016, codes: "行初 行终 行监 行申 行抗 行再 行审 行审复 行他" },
  {
    law: "法〔2015〕137号 05",
    fromYear: 2016,
    codes:
      "行赔初 行赔终 行赔监 行赔申 行赔抗 行赔再 行赔他 法赔 委赔 委赔监 赔确监 委赔提 委赔再 赔他 司救刑 司救民 司救行 司救赔 司救执 司救访 司救他",
  },
  {
    law: "法〔2015〕137号 06",
    fromYear: 2016,
    codes:
      "认台 认港 认澳 认复 认他 请台送 请港送 请澳送 台请送 港请送 澳请送 请台调 请港调 请澳调 台请调 港请调 澳请调 请移管 助移管 请移赃 助移赃",
  },
  { law: "法〔2015〕137号 07", fromYear: 2016, codes: "协外认 协他 协外送 请外送 协外调 请外调 请外移 协外移 请外引 协外引" },
  { law: "法〔2015〕137号 08", fromYear: 2016, codes: "司惩 司惩复" },
  { law: "法〔2015〕137号 09", fromYear: 2016, codes: "财保 行保 行保复 证保" },
  { law: "法〔2015〕137号 10", fromYear: 2016, codes: "执 执恢 执保 执异 执复 执监 执协 执他" },
  { law: "法〔2015〕137号 11", fromYear: 2016, codes: "清申 破申 清终 破终 清监 破监 强清 破" },
  { law: "法〔2015〕137号, list of 2015", fromYear: 2016, untilYear: 2018, codes: "民破 民算" },
  { law: "to be confirmed by the court", fromYear: 2016, extension: true, codes: "诉前调 诉前调确 诉前调书" },
];

/** SPC (its IP court with 知), or the one-character short name of a high court with 0 (high), 2 (intermediate) or 4 (basic) digits. */
const COURT = /^(?:最高法知?|[京津冀晋内辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新军兵](?:\d{4}|\d{2})?(?!\d))/;
/** Serials of criminal review are 8 random digits: leading zeros belong to them. */
const RANDOM_SERIALS = "刑核";

export type NumberPart = "year" | "court" | "type" | "serial" | "suffix" | "end";

/** The part that is wrong, what stands there, and what was expected, in both languages. */
export interface WrongNumber {
  part: NumberPart;
  found: string;
  zh: string;
  en: string;
}

export interface ReadNumber {
  kind: "STANDARD" | "EXTENSION" | "LEGACY";
  /** In the right form; for legacy as it was given. */
  text: string;
  year: number;
  courtCode: string;
  typeCode: string;
  serial: number;
  suffix: number;
  /** What was typed is not in the right form: a person accepts the text shown. */
  corrected: boolean;
}

/**
 * Understands what people type: half-width and 〔〕 brackets, full-width digits, spaces, a missing 号, zeros before the serial.
 * A number from before 2016 is kept as it was written. `presentYear` is the court's: nobody receives a case in a later one.
 */
export function readNumber(typed: string, presentYear: number): ReadNumber | WrongNumber {
  const text = inOneScript(typed);
  const year = Number(/^（(\d{4})）/.exec(text)?.[1] ?? Number.NaN);
  if (!(year >= 1949 && year <= presentYear))
    return wrong("year", text.slice(0, 6), `括号内的四位年份，如（${presentYear}）`, `a year in brackets, such as （${presentYear}）`);
  const rest = text.slice(6);
  return year < STANDARD_SINCE_YEAR ? readLegacy(typed.trim(), rest, year) : readStandard(typed, rest, year);
}

export function isWrong(read: ReadNumber | WrongNumber): read is WrongNumber {
  return "part" in read;
}

function readStandard(typed: string, rest: string, year: number): ReadNumber | WrongNumber {
  const courtCode = COURT.exec(rest)?.[0];
  if (courtCode === undefined)
    return wrong(
      "court",
      /^[^\d]{0,1}\d*/.exec(rest)?.[0] ?? "",
      "最高法，或高级法院简称加 0、2 或 4 位数字，如粤0304",
      "最高法, or a high court's character with 0, 2 or 4 digits, such as 粤0304",
    );
  const afterCourt = rest.slice(courtCode.length);
  // Up to the first digit, so that no code is taken for the beginning of a longer one.
  const typeCode = /^[^\d号]*/.exec(afterCourt)?.[0] ?? "";
  const table = typeCodes.find(
    ({ codes, fromYear, untilYear = year }) => fromYear <= year && year <= untilYear && codes.split(" ").includes(typeCode),
  );
  if (!table) return wrong("type", typeCode, "标准中的类型代字，如民初、刑初、执", "a type code of the standard, such as 民初, 刑初, 执");
  const afterType = afterCourt.slice(typeCode.length);
  const digits = /^\d*/.exec(afterType)?.[0] ?? "";
  const serial = Number(digits);
  if (digits.length > 8 || serial === 0) return wrong("serial", digits, "1 至 8 位、不为 0 的顺序号", "a serial of 1 to 8 digits, not 0");
  const tail = afterType.slice(digits.length).replace(/^号/, "");
  const suffix = tail === "" ? 0 : chineseNumber(/^之(.+)$/.exec(tail)?.[1] ?? "");
  if (suffix === undefined)
    return tail.startsWith("之")
      ? wrong("suffix", tail, "之一、之二等", "之一, 之二 and so on")
      : wrong("end", tail, "以“号”结束", "号 at the end");
  const shownSerial = typeCode === RANDOM_SERIALS ? digits : String(serial);
  const text = `（${year}）${courtCode}${typeCode}${shownSerial}号${tail}`;
  const kind = table.extension ? "EXTENSION" : "STANDARD";
  return { kind, text, year, courtCode, typeCode, serial, suffix, corrected: text !== typed };
}

/** Before 2016: 〔〕 or brackets, a court's short name, 字第, a serial. */
function readLegacy(typed: string, rest: string, year: number): ReadNumber | WrongNumber {
  const form = /^[\p{Script=Han}\dA-Za-z（）、.-]{2,60}?(\d{1,8})号?(?:之[一二三四五六七八九十\d]+|-\d{1,3})?$/u.exec(rest);
  if (!form)
    return wrong(
      "end",
      rest,
      "2016 年以前的案号，如（2012）深福法民一初字第123号",
      "a number from before 2016, such as （2012）深福法民一初字第123号",
    );
  return { kind: "LEGACY", text: typed, year, courtCode: "", typeCode: "", serial: Number(form[1]), suffix: 0, corrected: false };
}

function inOneScript(typed: string): string {
  return typed
    .replace(/[\s\u3000\u200b\ufeff]+/gu, "")
    .replace(/[０-９]/g, (digit) => String.fromCharCode(digit.charCodeAt(0) - 0xfee0))
    .replace(/[([〔［【]/g, "（")
    .replace(/[)\]〕］】]/g, "）")
    .replaceAll("號", "号");
}

const DIGITS = "一二三四五六七八九";

/** 一 to 九十九; undefined for anything else. */
function chineseNumber(text: string): number | undefined {
  const form = /^(?:([二三四五六七八九])?(十))?([一二三四五六七八九])?$/.exec(text);
  if (!form || text === "") return undefined;
  const [, tens, ten, ones] = form;
  return (ten ? (tens ? DIGITS.indexOf(tens) + 1 : 1) * 10 : 0) + (ones ? DIGITS.indexOf(ones) + 1 : 0);
}

function wrong(part: NumberPart, found: string, zh: string, en: string): WrongNumber {
  return { part, found: found.slice(0, 20), zh, en };
}
