/**
 * All questions, in the order in which they are asked.
 *
 *   used by  run, report
 */
import * as accounting from "./accounting.mjs";
import * as arenaSize from "./arena-size.mjs";
import * as classes from "./classes.mjs";
import * as cleanCache from "./clean-cache.mjs";
import * as debug from "./debug.mjs";
import * as defragment from "./defragment.mjs";
import * as derived from "./derived.mjs";
import * as engines from "./engines.mjs";
import * as epoch from "./epoch.mjs";
import * as garbage from "./garbage.mjs";
import * as jsCalls from "./js-calls.mjs";
import * as lease from "./lease.mjs";
import * as mapUnmap from "./map-unmap.mjs";
import * as memory from "./memory.mjs";
import * as mempoolPair from "./mempool-pair.mjs";
import * as pair from "./pair.mjs";
import * as reservation from "./reservation.mjs";
import * as shuffle from "./shuffle.mjs";
import * as size from "./size.mjs";
import * as slabMetadata from "./slab-metadata.mjs";
import * as struct from "./struct.mjs";
import * as unused from "./unused.mjs";
import * as waiters from "./waiters.mjs";
import * as waiting from "./waiting.mjs";
import * as wasmCalls from "./wasm-calls.mjs";

export const QUESTIONS = [
  wasmCalls,
  jsCalls,
  memory,
  pair,
  shuffle,
  accounting,
  unused,
  mempoolPair,
  waiting,
  waiters,
  lease,
  reservation,
  derived,
  slabMetadata,
  epoch,
  mapUnmap,
  cleanCache,
  defragment,
  debug,
  arenaSize,
  classes,
  size,
  engines,
  struct,
  garbage,
];
