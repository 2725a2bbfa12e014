/**
 * Base64: a decoder for places without `atob` and `Buffer`, an AudioWorklet for one.
 *
 *   used by  index
 */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Decodes base64 without line breaks. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  for (let from = 0, to = 0; from < text.length; from += 4) {
    let group = 0;
    for (let i = 0; i < 4; i++) group = (group << 6) | Math.max(ALPHABET.indexOf(text[from + i] as string), 0);
    for (let shift = 16; shift >= 0 && to < bytes.length; shift -= 8) bytes[to++] = group >>> shift;
  }
  return bytes;
}
