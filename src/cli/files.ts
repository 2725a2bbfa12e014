/**
 * Traces as files: finds them in folders, decompresses and reads them.
 *
 *   uses     src/trace/format
 *   used by  replay
 *
 * NAME.mtrc is a trace, NAME.mtrc.br and NAME.mtrc.gz are the same compressed. Whatever goes wrong is a RingfenceError
 * that names the file.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { RingfenceError } from "../errors.js";
import { parseTrace, type Trace } from "../trace/format.js";

export const FileCode = {
  NOT_FOUND: "ERR_RINGFENCE_TRACE_NOT_FOUND",
  UNREADABLE: "ERR_RINGFENCE_TRACE_UNREADABLE",
  COMPRESSION: "ERR_RINGFENCE_TRACE_COMPRESSION",
  /** A folder without a single trace in it. */
  NONE: "ERR_RINGFENCE_TRACE_NONE",
} as const;

const TRACE_FILE = /\.mtrc(\.br|\.gz)?$/;
/** The longest trace in bytes, decompressed: 89 million records. What promises more is not unpacked. */
const MAX_BYTES = 2 ** 30;

type Decompress = (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;
const DECOMPRESSORS: Record<string, [name: string, decompress: Decompress]> = {
  ".br": ["brotli", brotliDecompressSync],
  ".gz": ["gzip", gunzipSync],
};

/** @returns the files that the paths name, in order; a folder stands for the traces in it, by name */
export function findTraces(paths: readonly string[]): string[] {
  return paths.flatMap((path) => (isFolder(path) ? tracesIn(path) : [path]));
}

/** @returns the traces in a folder, none when there is no such folder */
export function tracesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => TRACE_FILE.test(name))
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** Reads and checks one trace. Its name is that of the file, without folder and endings. */
export function readTrace(file: string): Trace {
  const trace = parseTrace(decompress(file, readBytes(file)), file);
  return { ...trace, name: basename(file).replace(TRACE_FILE, "") };
}

function tracesIn(folder: string): string[] {
  const found = tracesOf(folder);
  if (found.length > 0) return found;
  const message = `${folder}: no trace in this folder; traces are named NAME.mtrc, NAME.mtrc.br or NAME.mtrc.gz`;
  throw new RingfenceError(FileCode.NONE, message);
}

function isFolder(path: string): boolean {
  return reading(path, () => statSync(path)).isDirectory();
}

function readBytes(file: string): Uint8Array {
  return reading(file, () => readFileSync(file));
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw new RingfenceError(FileCode.NOT_FOUND, `${path}: no such file or folder`, { cause });
    }
    throw new RingfenceError(FileCode.UNREADABLE, `${path}: cannot be read: ${message}`, { cause });
  }
}

function decompress(file: string, bytes: Uint8Array): Uint8Array {
  const [name, run] = DECOMPRESSORS[file.slice(file.lastIndexOf("."))] ?? [];
  if (!run) return bytes;
  try {
    return run(bytes, { maxOutputLength: MAX_BYTES });
  } catch (cause) {
    const reason = (cause as Error).message;
    const message = `${file}: not a whole ${name} stream of ${bytes.length} bytes (${reason})`;
    throw new RingfenceError(FileCode.COMPRESSION, message, { cause });
  }
}
