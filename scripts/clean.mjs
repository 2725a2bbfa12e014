/**
 * Removes what the build writes.
 */
import { rmSync } from "node:fs";
import { at } from "./paths.mjs";

for (const path of ["build", "dist", "src/generated"]) rmSync(at(path), { recursive: true, force: true });
