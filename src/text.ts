/**
 * Text: UTF-8 in linear memory, also where the platform has no codec or refuses shared memory.
 *
 *   used by  views
 */

/** Code point of the character of `text` that begins at `i`; half a surrogate pair becomes U+FFFD. */
function codePointAt(text: string, i: number): number {
  const code = text.codePointAt(i) as number;
  return code >= 0xd800 && code <= 0xdfff ? 0xfffd : code;
}

function widthOf(code: number): number {
  if (code < 0x80) return 1;
  if (code < 0x800) return 2;
  return code < 0x10000 ? 3 : 4;
}

/** Bytes that `text` takes as UTF-8. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const width = widthOf(codePointAt(text, i));
    bytes += width;
    if (width === 4) i++;
  }
  return bytes;
}

/** Writes `text` as UTF-8 from `at` on, whole characters only, not beyond `end`. @returns the address after the last byte */
export function writeUtf8(bytes: Uint8Array, at: number, end: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = codePointAt(text, i);
    const width = widthOf(code);
    if (at + width > end) break;
    if (width === 1) bytes[at] = code;
    else {
      bytes[at] = ((0xf00 >> width) & 0xff) | (code >> (6 * (width - 1)));
      for (let k = 1; k < width; k++) bytes[at + k] = 0x80 | ((code >> (6 * (width - 1 - k))) & 0x3f);
    }
    at += width;
    if (width === 4) i++;
  }
  return at;
}

/** The character whose first byte is `lead`, of `width` bytes; undefined when they are no character. */
function readSequence(bytes: Uint8Array, at: number, end: number, lead: number): [number, number] | undefined {
  const width = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || at + width > end) return undefined;
  let code = lead & (0x7f >> width);
  for (let k = 1; k < width; k++) {
    const byte = bytes[at + k] as number;
    if ((byte & 0xc0) !== 0x80) return undefined;
    code = (code << 6) | (byte & 0x3f);
  }
  const surrogate = code >= 0xd800 && code <= 0xdfff;
  return widthOf(code) !== width || surrogate || code > 0x10ffff ? undefined : [code, width];
}

/** Reads UTF-8 byte by byte; what is no character becomes U+FFFD. */
function readSlowly(bytes: Uint8Array, at: number, end: number): string {
  let text = "";
  while (at < end) {
    const lead = bytes[at] as number;
    const [code, width] = lead < 0x80 ? [lead, 1] : (readSequence(bytes, at, end, lead) ?? [0xfffd, 1]);
    text += String.fromCodePoint(code);
    at += width;
  }
  return text;
}

/** Below this many bytes calling the platform's decoder costs more than it saves. */
const SHORT = 24;
let decoder: TextDecoder | undefined;

/** Reads the UTF-8 bytes from `at` to `end`. Shared bytes are copied first: browsers decode no others. */
export function readUtf8(bytes: Uint8Array, at: number, end: number, shared: boolean): string {
  if (end - at < SHORT || typeof TextDecoder !== "function") return readSlowly(bytes, at, end);
  decoder ??= new TextDecoder("utf-8", { ignoreBOM: true });
  return decoder.decode(shared ? bytes.slice(at, end) : bytes.subarray(at, end));
}
