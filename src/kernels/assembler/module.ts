/**
 * A module under construction: functions over one imported shared memory, and its bytes.
 *
 *   m.function('add', { dst: 'i32', … }, (f, p) => …)   one after another; a function may call those before it
 *   m.bytes(salt)                                        a module that imports env.memory and exports what was asked
 *
 * The salt is a custom section: modules of equal code and different salt are different to every cache.
 * Not here: instructions (expressions.ts), statements (function.ts), kernels (../wasm/).
 */
import { join, section, sized, text, unsigned, vector, type Bytes } from './encode.js';
import type { ValueType } from './expressions.js';
import { FunctionBuilder, typeCode, type Callee, type Parameters, type Signature } from './function.js';

/** A name map: index and name of each. */
const nameMap = (items: readonly string[]): number[] => vector(items.map((name, index) => join(unsigned(index), text(name))));

interface Entry {
  readonly callee: Callee;
  readonly builder: FunctionBuilder;
  readonly exported: boolean;
}

/** What a 32-bit memory may hold at most, in pages. */
const memoryPagesMax = 65_536;

export class ModuleBuilder {
  readonly #entries: Entry[] = [];

  /** Defines a function; `export: false` keeps it inside. */
  function<const P extends Signature>(
    name: string,
    params: P,
    body: (f: FunctionBuilder, params: Parameters<P>) => void,
    options: { readonly export?: boolean; readonly result?: ValueType } = {},
  ): Callee {
    const builder = new FunctionBuilder(params);
    const callee: Callee = { index: this.#entries.length, name, params: Object.values(params), result: options.result ?? null };
    body(builder, Object.fromEntries(builder.params.map((local) => [local.name, local])) as unknown as Parameters<P>);
    this.#entries.push({ callee, builder, exported: options.export ?? true });
    return callee;
  }

  /** The module's bytes; `names` adds the names of functions and locals for a debugger or a text dump. */
  bytes({ salt = '', names = false }: { readonly salt?: string; readonly names?: boolean } = {}): Uint8Array<ArrayBuffer> {
    const entries = this.#entries;
    const types = entries.map(({ callee: { params, result } }) =>
      join([0x60], vector(params.map((type) => [typeCode(type)])), vector(result === null ? [] : [[typeCode(result)]])));
    const memory = join(text('env'), text('memory'), [0x02, 0x03], unsigned(0), unsigned(memoryPagesMax));
    const exported = entries.filter((entry) => entry.exported).map(({ callee }) => join(text(callee.name), [0x00], unsigned(callee.index)));
    return Uint8Array.from(join(
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(0, join(text('salt'), text(salt))),
      section(1, vector(types)),
      section(2, vector([memory])),
      section(3, vector(entries.map((_, index) => unsigned(index)))),
      section(7, vector(exported)),
      section(10, vector(entries.map(({ builder }) => sized(builder.finish())))),
      names ? section(0, join(text('name'), this.#names())) : [],
    ));
  }

  /** The name section's content. */
  #names(): Bytes {
    const functions = nameMap(this.#entries.map(({ callee }) => callee.name));
    const locals = vector(this.#entries.map(({ builder }, index) => join(unsigned(index), nameMap(builder.locals.map((local) => local.name)))));
    return join([1], sized(functions), [2], sized(locals));
  }
}
