/**
 * Call site: where in the program a call came from, as the stacks of the various engines say it.
 *
 *   used by  holders, debug/tracks, watch/ledger, testing/faults
 *
 *   engine          heading above the frames   a frame
 *   V8, Bun         yes                        "    at serve (file:///home/x/server.js:81:7)"
 *   SpiderMonkey    no                         "serve@http://localhost/server.js:81:7"
 *   JavaScriptCore  no                         the same; calls in tail position are missing
 */

type Method = (...args: never[]) => unknown;
type Capture = (target: object, below?: unknown) => void;

/** File and line at the end of a frame; the column is left out. */
const PLACE = /([^/\\()@\s]+:\d+):\d+\)?$/;

/** What a server was told beside a file's name. */
const QUERY = /\?[^:]*(?=:\d+$)/;

/** The folder of this library's files in a frame of this file, where they are still files of their own. */
const OWN_FILE = /[(@ ]([^(@ ]*[/\\])call-site\.[jt]s(?:\?[^:]*)?:\d+:\d+\)?$/;

/** Where a call came from. `site` is such as "server.ts:81"; both are "" when that is not known. */
export interface CallSite {
  readonly site: string;
  readonly stack: string;
}

const UNKNOWN: CallSite = { site: "", stack: "" };

/** The frames of a stack's text. */
function framesOf(stack = ""): string[] {
  const lines = stack.split("\n").filter((line) => line !== "");
  return PLACE.test(lines[0] ?? "") ? lines : lines.slice(1);
}

/** The folder of this library as frames name it; undefined where it is bundled with the program. Looked up once: it is dear. */
let ownFolder: { readonly path: string | undefined } | undefined;

/** Leaves out the frames at the beginning that lie in this library: beside this file, or in a folder there. */
function withoutOwn(frames: string[]): string[] {
  const own = ownFolder ? undefined : framesOf(new Error().stack)[0]; // none where Error.stackTraceLimit is 0 just now
  if (own !== undefined) ownFolder = { path: OWN_FILE.exec(own)?.[1] };
  const folder = ownFolder?.path;
  if (folder === undefined) return frames; // bundled with the program: its frames can not be told from ours
  const first = frames.findIndex((frame) => !frame.includes(folder));
  return first < 0 ? [] : frames.slice(first);
}

/** Where the call of `below` came from, the innermost frame first. */
function stackOf(below: Method): string[] {
  const capture = (Error as { captureStackTrace?: Capture }).captureStackTrace;
  const holder: { stack?: string } = {};
  capture?.(holder, below);
  const frames = framesOf(holder.stack);
  return frames.length > 0 ? frames : withoutOwn(framesOf(new Error().stack)); // JavaScriptCore makes tail calls: `below` is gone
}

function describe(frames: readonly string[]): CallSite {
  const first = frames[0]?.trim();
  if (first === undefined) return UNKNOWN;
  const place = PLACE.exec(first)?.[1] ?? first;
  return { site: place.replace(QUERY, ""), stack: frames.join("\n") };
}

/** @param below the public method that was called: its caller is what is meant */
export function callSite(below: Method): CallSite {
  return describe(stackOf(below));
}

/** A stack that was taken and not written out yet. */
export interface Captured {
  readonly stack?: string;
}

/**
 * Takes the stack as it is now; engines that can write it out only when {@link callSiteOf} wants it.
 *
 * @param frames how many are wanted outside of this library, at least
 */
export function captureStack(frames: number): Captured {
  const settings = Error as { stackTraceLimit?: number };
  const before = settings.stackTraceLimit;
  settings.stackTraceLimit = frames + OWN_FRAMES;
  const captured = new Error();
  if (before === undefined) delete settings.stackTraceLimit;
  else settings.stackTraceLimit = before;
  return captured;
}

/** So many frames of this library may lie between a call of the program and the capture of its stack. */
const OWN_FRAMES = 20;

/** The first `frames` frames of a stack that are outside of this library. */
export function callSiteOf(captured: Captured, frames: number): CallSite {
  return describe(withoutOwn(framesOf(captured.stack)).slice(0, frames));
}
