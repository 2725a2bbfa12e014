/**
 * Writes the JavaScript engine: src/generated/hot.js, its types, and the constants of the layout.
 *
 *   uses  bundle-hot (the code), hot-types (the declarations)
 */
import { bundleHot, layoutConstants } from "./bundle-hot.mjs";
import { hotTypes, layoutModule } from "./hot-types.mjs";
import { put } from "./paths.mjs";

/** @returns the size of the bundle in bytes */
export async function buildHot() {
  const code = await bundleHot();
  put("src/generated/hot.js", code);
  put("src/generated/hot.d.ts", hotTypes());
  put("src/generated/layout.ts", layoutModule(await layoutConstants()));
  return Buffer.byteLength(code);
}
