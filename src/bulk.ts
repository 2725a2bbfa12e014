/**
 * Bulk: many at once, for every allocator.
 *
 *   uses     arguments
 *   used by  ram, cache
 */
import { checkAddresses, checkPart } from "./arguments.js";

/**
 * Takes one for every place of `into`, all or none.
 *
 * @param take answers an address, or 0 when memory is short
 * @param give gives one back
 * @returns how many: `into.length`, or 0; then `into` is all zeros
 */
export function takeAll(into: Uint32Array, take: () => number, give: (address: number) => boolean): number {
  if (takeSome(into, take) === into.length) return into.length;
  giveAll(into, into.indexOf(0), give);
  into.fill(0);
  return 0;
}

/** Takes one for every place of `into`, as far as memory reaches; the place after the last one is 0. @returns how many */
export function takeSome(into: Uint32Array, take: () => number): number {
  checkAddresses("into", into);
  for (let i = 0; i < into.length; i++) {
    const address = take();
    into[i] = address;
    if (address === 0) return i;
  }
  return into.length;
}

/** Gives the first `count` addresses back. @returns how many were accepted */
export function giveAll(addresses: Uint32Array, count: number, give: (address: number) => boolean): number {
  checkAddresses("addresses", addresses);
  const end = checkPart(count, addresses.length);
  let given = 0;
  for (let i = 0; i < end; i++) if (give(addresses[i] as number)) given++;
  return given;
}
