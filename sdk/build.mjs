/**
 * Builds the tracker: the files that Headway serves, which are committed, and the package's `dist`; and writes the script's hash into
 * the guide. With `--check` nothing is written but `dist`, and what is committed is compared; it fails if something differs, or is
 * larger than it may be.
 *
 * Served are `headway.js` for a script tag, `headway.mjs` for `import`, and `headway-video.js`, an ES module that both load on
 * demand: `import("./video.ts")` becomes the import of that file, or of `video.js` in the package. esbuild joins the modules, and
 * terser minifies them, to 6 % less than esbuild would. The server names source maps in a header, which costs the files no byte.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { minify } from "terser";

process.chdir(import.meta.dirname);
const SERVED = "../src/headway/web/static/sdk";
const SCRIPT = "headway.js";
const INTEGRITY = "integrity.json";
/** Shows how a page pins the script. */
const GUIDE = "../docs/tracker.md";
/** Bytes that a browser loads, compressed with gzip. */
const MAX_BYTES = { [SCRIPT]: 6 * 1024, "headway.mjs": 6 * 1024, "headway-video.js": 2.5 * 1024 };
const LOADED = Object.keys(MAX_BYTES);

const SHARED = { bundle: true, format: "esm", target: "es2022", legalComments: "none" };
/** A module that exports nothing is a script once its names are its own; esbuild's own form of this has 390 bytes for `import()`. */
const AS_SCRIPT = { banner: { js: '"use strict";(()=>{' }, footer: { js: "})();" } };
/** Sources have no `this`, so a function may become an arrow function. Comparisons stay as they are written: they repeat then. */
const SMALL = { ecma: 2022, compress: { passes: 3, hoist_funs: true, unsafe_arrows: true, lhs_constants: false } };

/** Keeps `./video.ts` out of a file that loads it on demand. */
const VIDEO_ON_DEMAND = {
  name: "video on demand",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/video\.ts$/ }, ({ kind }) =>
      kind === "dynamic-import" ? { path: "./headway-video.js", external: true } : undefined,
    );
  },
};

/** Returns the served files by name, among them their integrity. */
async function servedFiles() {
  const files = {
    ...(await bundle("src/global.ts", SCRIPT, AS_SCRIPT)),
    ...(await bundle("src/index.ts", "headway.mjs")),
    ...(await bundle("src/video.ts", "headway-video.js")),
  };
  const integrity = Object.fromEntries(LOADED.map((name) => [name, integrityOf(name, files[name])]));
  return { ...files, [INTEGRITY]: Buffer.from(JSON.stringify(integrity, null, 2) + "\n") };
}

async function bundle(entry, name, options = {}) {
  const { outputFiles } = await build({
    ...SHARED, ...options, entryPoints: [entry], outfile: join(SERVED, name), write: false,
    sourcemap: "external", minifySyntax: true, plugins: [VIDEO_ON_DEMAND],
  });
  const [map, bundled] = outputFiles.map(({ text }) => text);
  const minified = await minify(bundled, {
    ...SMALL, module: name !== SCRIPT, sourceMap: { content: map, filename: name, includeSources: true },
  });
  return { [name]: Buffer.from(minified.code + "\n"), [`${name}.map`]: Buffer.from(minified.map) };
}

/** Returns what a page that pins a file puts into `src` and `integrity`. */
function integrityOf(name, bytes) {
  const digest = createHash("sha384").update(bytes).digest();
  const [, stem, ending] = /^(.*)(\.\w+)$/.exec(name);
  return { hashed: `${stem}-${digest.toString("hex").slice(0, 16)}${ending}`, integrity: `sha384-${digest.toString("base64")}` };
}

/** Returns the guide with the present name and hash of the script. */
function guide({ [INTEGRITY]: described }) {
  const { hashed, integrity } = JSON.parse(described)[SCRIPT];
  return readFileSync(GUIDE, "utf8").replace(/headway-\w{16}\.js" integrity="[^"]*"/, `${hashed}" integrity="${integrity}"`);
}

/** Writes the modules of the package, which are for bundlers: readable, and with what they share in a module of its own. */
async function writePackage() {
  rmSync("dist", { recursive: true, force: true });
  await build({ ...SHARED, entryPoints: ["src/index.ts", "src/video.ts"], outdir: "dist", sourcemap: "linked", splitting: true });
}

/** Says how large the files are, and returns those that are larger than they may be. */
function tooLarge(files) {
  return LOADED.filter((name) => {
    // Not by Node's own zlib, which compresses a little better than those of most servers.
    const size = execFileSync("gzip", ["-9n"], { input: files[name] }).length;
    console.log(`${name}: ${size} bytes of at most ${MAX_BYTES[name]} (gzip)`);
    return size > MAX_BYTES[name];
  });
}

/** Returns the names of committed files, the guide among them, that differ from what the sources make. */
function stale(files) {
  const committed = Object.fromEntries(readdirSync(SERVED).map((name) => [name, readFileSync(join(SERVED, name))]));
  const names = new Set([...Object.keys(files), ...Object.keys(committed)]);
  const differing = [...names].filter((name) => !(name in files && committed[name]?.equals(files[name])));
  return guide(files) === readFileSync(GUIDE, "utf8") ? differing : [...differing, GUIDE];
}

const files = await servedFiles();
const faults = tooLarge(files).map((name) => `${name} is larger than it may be.`);
const isCheck = parseArgs({ options: { check: { type: "boolean" } } }).values.check;
if (isCheck) {
  faults.push(...stale(files).map((name) => `${name} is stale: run \`make sdk\`.`));
} else {
  rmSync(SERVED, { recursive: true, force: true });
  mkdirSync(SERVED, { recursive: true });
  Object.entries(files).forEach(([name, bytes]) => writeFileSync(join(SERVED, name), bytes));
  writeFileSync(GUIDE, guide(files));
}
await writePackage();
faults.forEach((fault) => console.error(fault));
process.exitCode = faults.length && isCheck ? 1 : 0;
