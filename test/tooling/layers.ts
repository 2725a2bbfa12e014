/** The folders' order, in one place: a file may import what stands before it in the list, and nothing else. */
export const HOT_LAYERS: readonly string[] = [
  "heap",
  "layout",
  "ring",
  "page",
  "clean",
  "slab",
  "sheaf",
  "kmalloc",
  "promise",
  "compact",
  "check",
  "index",
  "hot",
];
