/**
 * The oracle of the tests: the model of src/trace, which the command line uses as well, and random work to put before it.
 */
export { CheckedHeap, type Heap } from "../../src/trace/checked-heap.js";
export { AllocationModel, type Arena, type BlockOptions, type ModelOptions } from "../../src/trace/model.js";
