/**
 * A vite plugin that serves src/generated/hot.js as a fresh bundle of assembly/, with a source map and without a build.
 *
 *   used by  vitest.config.ts
 *
 * So tests always see the sources as they are now, stack traces and coverage name lines of assembly/, and mutation
 * testing may change them on disk.
 */
import { bundleHotForTests } from "./bundle-hot.mjs";
import { at } from "./paths.mjs";

const HOT = at("src/generated/hot.js");

export function hotFromSources() {
  return {
    name: "hot-from-sources",
    enforce: "pre",
    async load(id) {
      if (id.split("?")[0] !== HOT) return undefined;
      const { code, map, inputs } = await bundleHotForTests();
      for (const input of inputs) this.addWatchFile(input);
      return { code, map };
    },
  };
}
