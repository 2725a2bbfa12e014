// What AssemblyScript declares for everybody, for the eyes of tsc alone: in JavaScript each of these is a number.
declare type i32 = number;
declare type u32 = number;
declare type bool = boolean | number;
