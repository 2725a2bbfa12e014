/**
 * Node: places what a chain hands out in another arena.
 *
 *   uses     derive, page-allocator, errors, ram-host
 *   used by  whoever has several rams
 *
 * A ram stands for what is a memory node elsewhere. The chain is set up once more over the other ram's frames, so that each part of it
 * works there as it does here; addresses belong to the other ram.
 */
import { RingfenceError, show } from "../errors.js";
import type { Ram } from "../ram.js";
import { HOST } from "../ram-host.js";
import { disposeBase, lifeOf } from "./allocator.js";
import { type DerivedPages, derivePages } from "./derive.js";
import { checkPages, type PageAllocator, type Placeable } from "./page-allocator.js";

/**
 * Derives pages that lie in another ram: "node:" and the base's name. Its `ram` is the other one.
 *
 * @throws RingfenceError ERR_RINGFENCE_INVALID_ARGUMENT when the chain can not be set up elsewhere, since a part of it is not of this
 *   library: derive that part from the node's pages instead
 */
export function withNode<Base extends PageAllocator & Placeable>(base: Base, ram: Ram): DerivedPages<Base> {
  checkPages(base);
  if (typeof ram !== "object" || ram?.[HOST] === undefined) {
    throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", `ram must be a ram, not ${show(ram)}`);
  }
  if (typeof base.place !== "function") {
    const text = `"${base.name}" can not be set up over another ram: begin with that ram's pages`;
    throw new RingfenceError("ERR_RINGFENCE_INVALID_ARGUMENT", text);
  }
  const letGo = lifeOf(base).hold();
  const changes = {
    place: (other: Ram) => base.place(other),
    dispose: () => {
      letGo();
      disposeBase(base);
    },
  };
  return derivePages(base.place(ram), "node", changes, (plan) => plan) as unknown as DerivedPages<Base>;
}
