import { defineConfig } from "vitest/config";
import { hotFromSources } from "./scripts/hot-plugin.mjs";

/** The tests that are run against mutants of assembly/: those of the hot path on the JavaScript engine, in one project. */
export default defineConfig({
  plugins: [hotFromSources()],
  test: { environment: "node", include: ["test/assembly/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 },
});
