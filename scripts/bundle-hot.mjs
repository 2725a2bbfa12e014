/**
 * Bundles the hot path for JavaScript: assembly/hot.ts as a factory, one private evaluation per call.
 *
 *   used by  build-hot (the file that is shipped), vitest.config.ts (the same with a source map, from memory)
 *
 *   export function createHotPath(env) { …the modules of assembly/, with src/engine/heap.ts for assembly/heap.ts…
 *   return { every export of assembly/hot.ts }; }
 *
 * `env` is a free name in src/engine/heap.ts; the parameter of the factory binds it.
 */
import { build, transform } from "esbuild";
import { at } from "./paths.mjs";

const ENTRY = "assembly/hot.ts";
const OPENING = "export function createHotPath(env) {";
const CLOSING = "}";
const EXPORTS = /export\s*\{([^}]*)\};?(?=\s*(?:\}\s*)?(?:\/\/# sourceMappingURL=[^\n]*)?\s*$)/;
const CONSTANT = /^var ([A-Z][A-Z0-9_]*) = (.+);$/gm;
const NAME = /[A-Za-z_$][\w$]*/g;
const LITERAL = /^(?:true|false|[\d\sxa-fA-F()+\-*/%&|^~<>]+)$/;
const TARGET = "es2022";

/** Puts the JavaScript loads and stores in the place of AssemblyScript's. */
const javascriptHeap = {
  name: "javascript-heap",
  setup(plugin) {
    plugin.onResolve({ filter: /^\.\/heap(\.ts)?$/ }, ({ importer }) =>
      importer.startsWith(at("assembly/")) ? { path: at("src/engine/heap.ts") } : undefined,
    );
  },
};

/** @returns the [exported, local] names of a bundle */
function exportedNames(code) {
  const names = EXPORTS.exec(code)?.[1];
  if (names === undefined) throw new Error("the bundle has no export statement at its end");
  return names
    .split(",")
    .map((name) => name.trim().split(" as "))
    .map(([local, exported = local]) => [exported, local]);
}

/** Turns the export statement of a bundle into the return of the factory. */
function returnExports(code) {
  const members = exportedNames(code).map(([exported, local]) => `${exported}: ${local}`);
  return code.replace(EXPORTS, () => `return { ${members.join(", ")} };`);
}

async function bundle(entry, options) {
  const result = await build({
    absWorkingDir: at(""),
    entryPoints: [entry],
    bundle: true,
    write: false,
    outfile: at("src/generated/hot.js"),
    format: "esm",
    target: TARGET,
    charset: "utf8",
    tsconfigRaw: {},
    plugins: [javascriptHeap],
    metafile: true,
    ...options,
  });
  const text = (suffix) => result.outputFiles.find((file) => file.path.endsWith(suffix))?.text;
  return { code: text(".js"), map: text(".js.map"), inputs: Object.keys(result.metafile.inputs) };
}

/**
 * Takes the named constants (upper case, made of literals and of one another) out of a bundle.
 * A variable of a function that is evaluated many times is a memory access in a JavaScript engine, a literal is not.
 * @returns the rest of the code, and the constants as esbuild's `define` wants them
 */
function liftConstants(code) {
  const constants = {};
  const rest = code.replace(CONSTANT, (line, name, expression) => {
    const literal = expression.replace(NAME, (used) => constants[used] ?? used);
    if (!LITERAL.test(literal)) return line;
    constants[name] = `${new Function(`return (${literal})`)()}`;
    return "";
  });
  return { rest, constants };
}

/** @returns the factory as it is shipped: small, every constant a literal */
export async function bundleHot() {
  const { code } = await bundle(ENTRY, {});
  const { rest, constants } = liftConstants(code);
  const factory = `${OPENING}${returnExports(rest)}${CLOSING}`;
  const { code: small } = await transform(factory, { target: TARGET, minify: true, define: constants });
  return small;
}

/** The factory for tests: statement for statement as written. @returns code, source map and the files it was made of */
export async function bundleHotForTests() {
  const { code, map, inputs } = await bundle(ENTRY, {
    sourcemap: "external",
    treeShaking: false,
    banner: { js: OPENING },
    footer: { js: CLOSING },
  });
  return { code: returnExports(code), map: JSON.parse(map), inputs: inputs.map(at) };
}

/** @returns the values of the constants that assembly/layout.ts exports, as text, by name */
export async function layoutConstants() {
  const { code } = await bundle("assembly/layout.ts", {});
  const { constants } = liftConstants(code);
  const exported = exportedNames(code).filter(([, local]) => local in constants);
  return new Map(exported.map(([name, local]) => [name, constants[local]]));
}
