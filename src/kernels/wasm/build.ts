/**
 * What the kernel families share: the shape of the register block, and loops over contiguous floats.
 *
 *   Shape '128': 5 results × 8 tokens, 10 sums in 15 registers of 128 bits.
 *   Shape '256': 4 results × 16 tokens: four adjacent vectors a row, which a compiler that pairs operations turns into two of 256 bits.
 *
 * Both are the same expression trees: only which sums are alive at once differs. Not here: any kernel.
 */
import { i32, v128, type I32, type V128 } from '../assembler/expressions.js';
import type { FunctionBuilder, Local } from '../assembler/function.js';

export interface Shape {
  /** Results (rows) of the register block; the width of a packed group. */
  readonly rows: number;
  /** Vectors of four tokens (or columns) a row. */
  readonly vectors: number;
  /** Rows and vectors from last to first: keeps each splat beside its uses where the compiler hoists loads. */
  readonly descending: boolean;
  /** Inner loops tested at the top of a round: 1.7× where the compiler hoists loads, 0.9× where it does not. */
  readonly topTested: boolean;
}

export const shapes = {
  128: { rows: 5, vectors: 2, descending: true, topTested: true },
  256: { rows: 4, vectors: 4, descending: false, topTested: false },
} as const satisfies Record<string, Shape>;

/** 0 … count−1 in the shape's order of emission. */
export const order = (shape: Shape, count: number): number[] => {
  const ascending = Array.from({ length: count }, (_, index) => index);
  return shape.descending ? ascending.toReversed() : ascending;
};

type Pointer = Local<'i32'>;

/** Runs the body `count` ≥ 1 times, in the form of loop that suits the shape; uses `count` up. */
export const innerLoop = (f: FunctionBuilder, shape: Shape, count: Pointer, body: () => void): void => {
  const round = (): void => {
    body();
    f.set(count, i32.sub(count, 1));
  };
  if (shape.topTested) f.whileTopTested(count, round);
  else f.doWhile(round, count);
};

type Load = (pointer: Pointer) => V128;
type Store = (pointer: Pointer, value: V128) => void;

/**
 * Visits `count` floats behind the pointers: eight at a time, four at a time, and the rest one by one in lane 0 (the
 * other lanes are +0); advances the pointers and uses `count` up. With `wholeVectors` the count is a multiple of 4 and there is no rest.
 */
export const overFloats = (
  f: FunctionBuilder, pointers: readonly Pointer[], count: Pointer, body: (load: Load, store: Store) => void, options: { readonly wholeVectors?: boolean } = {},
): void => {
  const rounds = (floats: number, round: () => void): void =>
    f.while(i32.ge_s(count, floats), () => {
      round();
      for (const pointer of pointers) f.advance(pointer, floats * 4);
      f.set(count, i32.sub(count, floats));
    });
  rounds(8, () => pairOfVectors(f, body));
  rounds(4, () => body((pointer) => v128.load(pointer), (pointer, value) => f.store(pointer, value)));
  if (options.wholeVectors === true) return;
  rounds(1, () => body((pointer) => v128.load32_zero(pointer), (pointer, value) => f.storeLane(pointer, value, 0)));
};

/**
 * The body for two adjacent vectors: all stores after all loads, and stores of one pointer side by side, as a compiler that pairs
 * vectors wants them; others gain by two independent chains.
 */
const pairOfVectors = (f: FunctionBuilder, body: (load: Load, store: Store) => void): void => {
  const stored = new Map<Pointer, Local<'v128'>[]>();
  for (const offset of [0, 16]) {
    body((pointer) => v128.load(pointer, offset), (pointer, value) => {
      const values = stored.get(pointer) ?? [];
      values.push(f.v128('stored', value));
      stored.set(pointer, values);
    });
  }
  for (const [pointer, values] of stored) values.forEach((value, half) => f.store(pointer, value, half * 16));
};

export const positive = (count: I32): I32 => i32.gt_s(count, 0);

/** The transpose of a 4×4 block: four rows in, four columns out, as locals. */
export const transpose4 = (f: FunctionBuilder, [a, b, c, d]: readonly [V128, V128, V128, V128], name: string): readonly V128[] => {
  const lowAB = f.v128(`${name} lowAB`, v128.shuffle32(a, b, [0, 4, 1, 5]));
  const highAB = f.v128(`${name} highAB`, v128.shuffle32(a, b, [2, 6, 3, 7]));
  const lowCD = f.v128(`${name} lowCD`, v128.shuffle32(c, d, [0, 4, 1, 5]));
  const highCD = f.v128(`${name} highCD`, v128.shuffle32(c, d, [2, 6, 3, 7]));
  return [
    v128.shuffle32(lowAB, lowCD, [0, 1, 4, 5]),
    v128.shuffle32(lowAB, lowCD, [2, 3, 6, 7]),
    v128.shuffle32(highAB, highCD, [0, 1, 4, 5]),
    v128.shuffle32(highAB, highCD, [2, 3, 6, 7]),
  ];
};
