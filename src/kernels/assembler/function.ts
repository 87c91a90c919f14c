/**
 * A function under construction: parameters and locals by name, statements in the order in which they will run.
 *
 *   f.doWhile(() => { f.set(sum, f32x4.add(sum, v128.load(x))); f.advance(x, 16); }, i32.ne(x, end));
 *
 * Constants asked for with `lanes` are loaded into a local once, before everything else: inside a loop some compilers rebuild them every time.
 * Not here: instructions that leave a value (expressions.ts), the module's sections (module.ts).
 */
import { join, signed, unsigned, type Bytes } from './encode.js';
import { f32x4, i32, i32x4, int, memarg, v128, type Expr, type F32, type I32, type Int, type V128, type ValueType } from './expressions.js';

/** A local variable; as an expression it is its value. */
export interface Local<T extends ValueType> extends Expr<T> {
  readonly index: number;
  readonly name: string;
}
export type Signature = Readonly<Record<string, ValueType>>;
export type Parameters<P extends Signature> = { readonly [K in keyof P]: Local<P[K]> };

/** A function that can be called: its place in the module and its parameters' types. */
export interface Callee {
  readonly index: number;
  readonly name: string;
  readonly params: readonly ValueType[];
  readonly result: ValueType | null;
}

const typeByte = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const satisfies Record<ValueType, number>;
export const typeCode = (type: ValueType): number => typeByte[type];

const emptyBlock = 0x40;
const opcodes = { block: 0x02, loop: 0x03, if: 0x04, else: 0x05, end: 0x0b, br: 0x0c, brIf: 0x0d, call: 0x10, drop: 0x1a, get: 0x20, set: 0x21 } as const;

export class FunctionBuilder {
  readonly #locals: Local<ValueType>[] = [];
  readonly #paramCount: number;
  readonly #constants = new Map<string, Local<'v128'>>();
  readonly #prologue: number[] = [];
  readonly #code: number[] = [];

  constructor(params: Signature) {
    for (const [name, type] of Object.entries(params)) this.#declare(name, type);
    this.#paramCount = this.#locals.length;
  }

  #declare<T extends ValueType>(name: string, type: T): Local<T> {
    const index = this.#locals.length;
    const local: Local<T> = { type, index, name, code: [opcodes.get, ...unsigned(index)] };
    this.#locals.push(local);
    return local;
  }

  #emit(...parts: readonly (Bytes | number)[]): void {
    // No spread into push: bodies grow beyond what a call may take as arguments.
    for (const part of parts) {
      if (typeof part === 'number') this.#code.push(part);
      else for (const byte of part) this.#code.push(byte);
    }
  }

  /** The parameters, in order. */
  get params(): readonly Local<ValueType>[] {
    return this.#locals.slice(0, this.#paramCount);
  }
  get locals(): readonly Local<ValueType>[] {
    return this.#locals;
  }

  // ── variables ─────────────────────────────────────────────────────────────────────────────────────────────────────
  i32(name: string, value?: Int): Local<'i32'> {
    const local = this.#declare(name, 'i32');
    if (value !== undefined) this.set(local, typeof value === 'number' ? i32.const(value) : value);
    return local;
  }
  f32(name: string, value?: F32): Local<'f32'> {
    const local = this.#declare(name, 'f32');
    if (value !== undefined) this.set(local, value);
    return local;
  }
  v128(name: string, value?: V128): Local<'v128'> {
    const local = this.#declare(name, 'v128');
    if (value !== undefined) this.set(local, value);
    return local;
  }
  set<T extends ValueType>(local: Local<T>, value: Expr<T>): void {
    this.#emit(value.code, opcodes.set, unsigned(local.index));
  }
  /** pointer += bytes */
  advance(pointer: Local<'i32'>, bytes: Int): void {
    this.set(pointer, i32.add(pointer, bytes));
  }
  /** A constant in all four lanes, made once at the function's start. */
  lanes(value: number): Local<'v128'> {
    return this.#constant(`f32 ${Object.is(value, -0) ? '-0' : value}`, f32x4.const(value));
  }
  /** As `lanes`, of a 32-bit pattern. */
  lanesI32(value: number): Local<'v128'> {
    return this.#constant(`i32 ${value}`, i32x4.const(value));
  }
  #constant(name: string, value: V128): Local<'v128'> {
    let local = this.#constants.get(name);
    if (local === undefined) {
      local = this.#declare(`constant ${name}`, 'v128');
      this.#constants.set(name, local);
      this.#prologue.push(...value.code, opcodes.set, ...unsigned(local.index));
    }
    return local;
  }

  // ── memory ────────────────────────────────────────────────────────────────────────────────────────────────────────
  storeF32(address: Int, value: F32, offset = 0): void {
    this.#emit(int(address), value.code, 0x38, memarg(2, offset));
  }
  storeI32(address: Int, value: Int, offset = 0): void {
    this.#emit(int(address), int(value), 0x36, memarg(2, offset));
  }
  /** Stores the low 16 bits. */
  storeI16(address: Int, value: Int, offset = 0): void {
    this.#emit(int(address), int(value), 0x3b, memarg(1, offset));
  }
  store(address: Int, value: V128, offset = 0): void {
    this.#emit(int(address), value.code, [0xfd, 11], memarg(4, offset));
  }
  /** Stores one lane, four bytes. */
  storeLane(address: Int, value: V128, lane: number, offset = 0): void {
    this.#emit(int(address), value.code, [0xfd, 0x5a], memarg(2, offset), lane);
  }
  memoryFill(address: Int, byte: Int, bytes: Int): void {
    this.#emit(int(address), int(byte), int(bytes), [0xfc, 0x0b, 0]);
  }
  memoryCopy(dst: Int, src: Int, bytes: Int): void {
    this.#emit(int(dst), int(src), int(bytes), [0xfc, 0x0a, 0, 0]);
  }

  // ── control ───────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Runs the body, then again while the condition holds. The shape of hot loops: one branch a round. */
  doWhile(body: () => void, condition: I32): void {
    this.#emit(opcodes.loop, emptyBlock);
    body();
    this.#emit(condition.code, opcodes.brIf, 0, opcodes.end);
  }
  /** Runs the body while the condition holds, perhaps never. */
  while(condition: I32, body: () => void): void {
    this.if(condition, () => this.doWhile(body, condition));
  }
  /**
   * As `while`, tested at the top of every round, the exit in front of the body. Compilers that place loads by their distance from the exit
   * (V8 before 12) leave the body's loads beside their uses in this shape, and hoist all of them to the top in the shape of `doWhile`.
   */
  whileTopTested(condition: I32, body: () => void): void {
    this.#emit(opcodes.block, emptyBlock, opcodes.loop, emptyBlock, condition.code, 0x45, opcodes.brIf, 1);
    body();
    this.#emit(opcodes.br, 0, opcodes.end, opcodes.end);
  }
  /** for (counter = from; counter < to; counter += step), signed. */
  for(counter: Local<'i32'>, from: Int, to: Int, step: number, body: () => void): void {
    this.set(counter, typeof from === 'number' ? i32.const(from) : from);
    this.while(i32.lt_s(counter, to), () => {
      body();
      this.advance(counter, step);
    });
  }
  if(condition: I32, then: () => void, otherwise?: () => void): void {
    this.#emit(condition.code, opcodes.if, emptyBlock);
    then();
    if (otherwise !== undefined) {
      this.#emit(opcodes.else);
      otherwise();
    }
    this.#emit(opcodes.end);
  }
  /** Calls for the effect; a result is dropped. */
  call(callee: Callee, ...args: readonly (Int | F32 | V128)[]): void {
    for (const arg of args) this.#emit(typeof arg === 'number' ? [0x41, ...signed(arg)] : arg.code);
    this.#emit(opcodes.call, unsigned(callee.index));
    if (callee.result !== null) this.#emit(opcodes.drop);
  }
  /** Calls for the i32 that it returns. */
  callI32(callee: Callee, ...args: readonly Int[]): I32 {
    return { type: 'i32', code: join(...args.map(int), [opcodes.call], unsigned(callee.index)) };
  }
  /** The function's result: its last statement. */
  result(value: Expr<ValueType>): void {
    this.#emit(value.code);
  }

  /** Locals (one declaration each) and code, as the code section wants them. */
  finish(): number[] {
    const declared = this.#locals.slice(this.#paramCount).map((local) => [1, typeCode(local.type)]);
    return join(unsigned(declared.length), ...declared, this.#prologue, this.#code, [opcodes.end]);
  }
}

/** +0 in all lanes. */
export const zeroLanes = v128.zero;
