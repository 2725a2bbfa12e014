/**
 * Machine: what results were measured on, as far as it matters to who reads them.
 *
 *   used by  run
 */
import { cpus, loadavg } from "node:os";

export function describeMachine() {
  const processors = cpus();
  return {
    node: process.version,
    v8: process.versions.v8,
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    load: Number((loadavg()[0] ?? 0).toFixed(1)),
  };
}
