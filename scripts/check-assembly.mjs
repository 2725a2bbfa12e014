/**
 * Type-checks assembly/ the way the JavaScript engine sees it: with src/engine/heap.ts in the place of assembly/heap.ts.
 *
 * The compiler has no option for that, its API has. asc checks the same sources with the other heap when it builds.
 */
import ts from "typescript";
import { at } from "./paths.mjs";

const options = {
  target: ts.ScriptTarget.ES2022,
  lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  types: [],
  noEmit: true,
  strict: true,
  noImplicitReturns: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  skipLibCheck: true,
};

function resolveFrom(importer) {
  return ({ text }) => {
    if (importer.startsWith(at("assembly/")) && /^\.\/heap$/.test(text)) {
      return { resolvedModule: { resolvedFileName: at("src/engine/heap.ts"), extension: ts.Extension.Ts } };
    }
    return ts.resolveModuleName(text, importer, options, host);
  };
}

const host = ts.createCompilerHost(options);
host.resolveModuleNameLiterals = (literals, importer) => literals.map(resolveFrom(importer));
const program = ts.createProgram([at("assembly/globals.d.ts"), at("assembly/hot.ts")], options, host);
const problems = ts.getPreEmitDiagnostics(program);
if (problems.length > 0) {
  const format = { getCurrentDirectory: () => at(""), getCanonicalFileName: (name) => name, getNewLine: () => "\n" };
  console.error(ts.formatDiagnostics(problems, format));
  process.exitCode = 1;
}
