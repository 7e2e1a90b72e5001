import { Refusal } from "../failure.ts";
import { Draft } from "./draft.ts";
import { camel, capital } from "./words.ts";

const REGISTRY = "device-drivers/src/registry.ts";

/** A driver that conforms, with its simulator and test, and its line in the registry. */
export function newDriver(root: string, name: string): Draft {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name) || name.length > 40)
    throw new Refusal(`"${name}" is no name of a driver; expected small letters, digits and single hyphens, such as door-sensor`);
  const folder = `device-drivers/src/drivers/${name}`;
  const variable = camel(name);
  const draft = new Draft(root);
  draft.expectNone("a driver of that name", folder);
  const words = { "sample-device": name, sampleDevice: variable, SampleDevice: capital(variable) };
  draft.copy("device-drivers/src/template/sample-device", words, (file) => `${folder}/${file}`);
  draft.insert(REGISTRY, /(?:^import .*\.driver\.ts";\n)+/m, `import { ${variable} } from "./drivers/${name}/${name}.driver.ts";\n`);
  draft.insert(REGISTRY, /drivers: readonly Driver\[\] = \[[\s\S]*?(?=,?\s*\];)/, `, ${variable}`);
  draft.write();
  return draft;
}
