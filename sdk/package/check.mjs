/** Builds and packs `@headway/tracker`, and uses it as another project does: its types under `tsc --strict`, its modules without a browser. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const HERE = import.meta.dirname;
const SDK = join(HERE, "..");
const TSC = join(SDK, "node_modules/typescript/bin/tsc");
const PACKAGE = "node_modules/@headway/tracker";

const project = mkdtempSync(join(tmpdir(), "headway-consumer-"));
try {
  install();
  for (const [module, resolution] of [["nodenext", "nodenext"], ["esnext", "bundler"]]) {
    run(process.execPath, TSC, "--strict", "--noEmit", "--lib", "es2022,dom", "--types", "",
      "--module", module, "--moduleResolution", resolution, "consumer.ts");
    console.log(`The types of the package hold in a strict project with ${resolution}.`);
  }
  run(process.execPath, "--input-type=module", "--eval", `
    const [core, video] = [await import("@headway/tracker"), await import("@headway/tracker/video")];
    if (typeof core.init !== "function" || typeof video.trackVideo !== "function") throw new Error("exports are missing");
  `);
  console.log("The package can be imported where there is no browser.");
} finally {
  rmSync(project, { recursive: true });
}

function install() {
  // Its `prepack` builds and checks what is packed, so that no package is without its files.
  const said = run("npm", "pack", SDK, "--pack-destination", project).trimEnd().split("\n");
  const filename = said.pop();
  console.log(said.join("\n"));
  mkdirSync(join(project, PACKAGE), { recursive: true });
  run("tar", "-xzf", filename, "-C", PACKAGE, "--strip-components=1");
  copyFileSync(join(HERE, "consumer.ts"), join(project, "consumer.ts"));
  writeFileSync(join(project, "package.json"), '{ "type": "module" }');
}

function run(command, ...options) {
  return execFileSync(command, options, { cwd: project, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}
