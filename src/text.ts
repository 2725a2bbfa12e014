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

/** Bytes of the character that `lead` begins; 0 if it begins none. */
function sequenceWidth(lead: number): number {
  if (lead < 0xc2 || lead > 0xf4) return 0;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}

/** Whether `byte` may come second after `lead`: neither a longer form of a character, nor half a surrogate pair, nor too large. */
function maySecond(lead: number, byte: number): boolean {
  const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  return byte >= least && byte <= most;
}

/** Bytes from `at` on that belong to the character begun there, as far as they do: the "maximal subpart" of the encoding standard. */
function matchedBytes(bytes: Uint8Array, at: number, end: number, width: number): number {
  const lead = bytes[at] as number;
  let matched = 1;
  while (matched < width && at + matched < end) {
    const byte = bytes[at + matched] as number;
    if (matched === 1 ? !maySecond(lead, byte) : (byte & 0xc0) !== 0x80) break;
    matched++;
  }
  return matched;
}

/** Code point of the `width` bytes at `at`. */
function decodeSequence(bytes: Uint8Array, at: number, width: number): number {
  let code = (bytes[at] as number) & (0x7f >> width);
  for (let k = 1; k < width; k++) code = (code << 6) | ((bytes[at + k] as number) & 0x3f);
  return code;
}

/** Reads UTF-8 byte by byte; what is no character becomes U+FFFD, one for as much as could have begun one. */
function readSlowly(bytes: Uint8Array, at: number, end: number): string {
  let text = "";
  while (at < end) {
    const lead = bytes[at] as number;
    const width = lead < 0x80 ? 1 : sequenceWidth(lead);
    const matched = matchedBytes(bytes, at, end, width);
    if (width === 1) text += String.fromCharCode(lead);
    else text += matched === width ? String.fromCodePoint(decodeSequence(bytes, at, width)) : "\ufffd";
    at += matched;
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
