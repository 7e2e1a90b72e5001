/** Generates protos/gen from the .proto files; `--check` compares with what is committed instead and exits 1 on a difference. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { validateProto } from "./validate-proto.ts";

const protos = dirname(import.meta.dirname);
const bin = join(protos, "..", "node_modules", ".bin");
const check = process.argv.includes("--check");

const work = mkdtempSync(join(tmpdir(), "xiezhi-protos-"));
try {
  cpSync(join(protos, "xiezhi"), join(work, "xiezhi"), { recursive: true });
  cpSync(join(protos, "third_party"), work, { recursive: true });
  mkdirSync(join(work, "buf/validate"), { recursive: true });
  writeFileSync(join(work, "buf/validate/validate.proto"), validateProto());
  writeFileSync(join(work, "buf.yaml"), "version: v2\nlint:\n  use: [STANDARD]\n  ignore: [buf, grpc]\n");
  writeFileSync(
    join(work, "buf.gen.yaml"),
    `version: v2
plugins:
  - local: ${join(bin, "protoc-gen-es")}
    out: gen
    opt: ["target=js+dts", "import_extension=js", "rewrite_imports=./buf/validate/*_pb.js:@bufbuild/protovalidate/gen"]
`,
  );
  const run = (...args: string[]) => execFileSync(join(bin, "buf"), args, { cwd: work, stdio: ["ignore", "inherit", "inherit"] });
  run("lint");
  run("generate", "--path", "xiezhi", "--path", "grpc");
  const fresh = join(work, "gen");
  const committed = join(protos, "gen");
  if (!check) {
    rmSync(committed, { recursive: true, force: true });
    cpSync(fresh, committed, { recursive: true });
  } else if (different(fresh, committed)) {
    console.error("protos/gen differs from a fresh generation: run `npm run generate`");
    process.exitCode = 1;
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}

function different(a: string, b: string): boolean {
  const list = (folder: string) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length))
      .sort();
  const names = list(a);
  return names.join() !== list(b).join() || names.some((name) => readFileSync(a + name, "utf8") !== readFileSync(b + name, "utf8"));
}
